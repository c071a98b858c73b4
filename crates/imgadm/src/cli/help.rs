//! Help texts: the program's and each command's.

use super::GLOBAL;
use super::options;
use crate::commands::Command;

/// The commands of SmartOS's imgadm as its own help lists them, in that order. Kept as observed: it is what the bare
/// program prints.
const COMMANDS: &str = "\
    imgadm help [<command>]                help on commands

    imgadm sources [<options>]             list and edit image sources

    imgadm avail [<filters>]               list available images
    imgadm show <uuid|docker-repo-tag>     show manifest of an available image

    imgadm import [-C <channel>] [-P <pool>] <image-id>   import image from a source
    imgadm install [-P <pool>] -m <manifest> -f <file>
                                           import from local image data

    imgadm list [<filters>]                list installed images
    imgadm get [-P <pool>] <uuid>          info on an installed image
    imgadm update [<uuid>...]              update installed images
    imgadm delete [-P <pool>] <uuid>       remove an installed image
    imgadm ancestry [-P <pool>] <uuid>     show ancestry of an installed image
    imgadm vacuum [-n] [-f]                delete unused images

    imgadm create <vm-uuid> [<manifest-field>=<value> ...] ...
                                           create an image from a VM
    imgadm publish -m <manifest> -f <file> <imgapi-url>
                                           publish an image to an image repo
";

/// The commands that this imgadm has besides.
const MORE_COMMANDS: &str = "
Commands that only this imgadm has:
    imgadm serve [<options>] <dir>         serve a directory of images (IMGAPI)
    imgadm mirror [<options>] <dir> [<filters>]
                                           copy images of the sources to a directory
    imgadm latest <name> [<filters>]       show which image of a name is newest
    imgadm verify [-P <pool>] [<uuid>]     check installed images
";

/// The program's help: what SmartOS's imgadm prints, and in full (`imgadm help all`) the commands of this imgadm
/// besides.
pub fn main(full: bool) -> String {
    format!(
        "Manage SmartOS virtual machine images.\n\
         \n\
         Usage:\n    \
             imgadm [<options>] <command> [<args>...]\n    \
             imgadm help <command>\n\
         \n\
         Options:\n\
         {}\
         \n\
         Environment:\n    \
             IMGADM_LOG_LEVEL=<level>  Set log level to one of \"trace\",\n    \
             {:26}\"debug\", \"info\", \"warn\" (default)\n    \
             {:26}\"error\", \"fatal\".\n\
         \n\
         Commands:\n    {}{}\n\
         See `imgadm help <command>` or the imgadm(8) man page for more details.\n",
        options::help(GLOBAL, 30),
        "",
        "",
        COMMANDS.trim_start(),
        if full { MORE_COMMANDS } else { "" },
    )
}

/// The help on `help` itself.
pub const ON_HELP: &str = "\
Shows help: of the program, or of one of its commands.

Usage:
    imgadm help [<command>]
    imgadm help all                        # list all commands of this imgadm
";

/// A command's help: what it does, how it is called, its options.
pub fn of(command: &Command) -> String {
    let least = if command.name == "create" { 19 } else { 20 };
    let table = options::help(command.options, least);
    let text = command.help.replace("{{options}}", &format!("Options:\n{table}"));
    format!("{}\n", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands;

    #[test]
    fn every_command_has_a_help_that_fits_a_terminal() {
        for command in commands::ALL {
            let text = of(command);
            assert!(text.contains("Usage:"), "{}", command.name);
            for line in text.lines() {
                assert!(line.chars().count() <= 100, "{}: {line}", command.name);
            }
        }
    }
}
