//! The commands of the programs and their options, as the programs' own parsers know them.

use imgadm::cli::options::Row;

/// One command.
pub struct Command {
    /// Its name, and the synonyms of that.
    pub names: Vec<String>,
    /// The names of each option, with their dashes.
    pub options: Vec<Vec<String>>,
}

/// An option as it is typed.
pub fn dashed(name: &str) -> String {
    if name.len() == 1 { format!("-{name}") } else { format!("--{name}") }
}

pub fn vmadm() -> Vec<Command> {
    let command = |command: &vmadm::commands::Command| {
        let longs = command.syntax.types.iter();
        let mut options: Vec<Vec<String>> = longs.map(|(name, _)| vec![dashed(name)]).collect();
        for (short, stands_for) in command.syntax.shorts {
            match options.iter_mut().find(|names| stands_for.first() == Some(&names[0].as_str())) {
                Some(names) => names.push(dashed(short)),
                None => options.push(vec![dashed(short)]),
            }
        }
        Command { names: command.names.iter().map(ToString::to_string).collect(), options }
    };
    vmadm::commands::all().map(command).collect()
}

pub fn imgadm() -> Vec<Command> {
    let command = |command: &imgadm::commands::Command| {
        let options = command.options.iter().filter_map(|row| match row {
            Row::Opt(option) | Row::Hidden(option) => {
                Some(option.names.iter().map(|name| dashed(name)).collect())
            }
            Row::Gap => None,
        });
        let names = std::iter::once(&command.name).chain(command.aliases);
        Command { names: names.map(ToString::to_string).collect(), options: options.collect() }
    };
    imgadm::commands::ALL.iter().map(command).collect()
}

pub fn bhyve_ctl() -> Vec<Command> {
    let command = |command: &clap::Command| {
        let options = command.get_arguments().filter(|argument| !argument.is_positional());
        let names = options.map(|option| {
            let short = option.get_short().map(|name| format!("-{name}"));
            short.into_iter().chain(option.get_long().map(dashed)).collect()
        });
        Command { names: vec![command.get_name().to_owned()], options: names.collect() }
    };
    bhyve_ctl::cli::program().get_subcommands().map(command).collect()
}
