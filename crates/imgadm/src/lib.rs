//! Image store, sources, import pipeline, image server; the imgadm program.
