//! `cargo run -p e2e --bin replay -- [--only ASPECT[,ASPECT…]] [TRACE…]`: replays observed traces (all by default) and
//! prints how our vmadm differs.

use std::env;
use std::process::ExitCode;

use e2e::replay::{Aspect, replay};
use e2e::{Need, needs, trace};

fn main() -> ExitCode {
    let mut aspects: Vec<Aspect> = Aspect::ALL.to_vec();
    let mut names = Vec::new();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--only" {
            let list = arguments.next().unwrap_or_default();
            aspects = list.split(',').filter_map(Aspect::parse).collect();
        } else {
            names.push(argument);
        }
    }
    if names.is_empty() {
        match trace::names() {
            Ok(all) => names = all,
            Err(error) => {
                eprintln!("replay: {error:#}");
                return ExitCode::FAILURE;
            }
        }
    }
    if !needs::are_met("replay", &[Need::Simulation]) {
        return ExitCode::FAILURE;
    }
    let mut equal = 0;
    for name in &names {
        let mut differences = replay(name);
        differences.retain(|difference| aspects.contains(&difference.aspect));
        println!("## {name}: {} differences", differences.len());
        for difference in &differences {
            println!("{difference}");
        }
        equal += usize::from(differences.is_empty());
    }
    println!("{equal} of {} traces without differences", names.len());
    if equal == names.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
