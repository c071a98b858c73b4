#pragma once
double floor(double); double ceil(double); double sqrt(double); double pow(double, double); double log(double); double exp(double); double fabs(double); double log2(double);
#define HUGE_VAL __builtin_huge_val()
