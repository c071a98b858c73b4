//! records FILE...: the DTrace probes in programs that were linked for illumos, as the usdt crate reads them there.
//!
//! Fails on a record that does not lead to the instruction that DTrace is to take the place of.

use anyhow::{Context, Result, ensure};
use goblin::elf::{Elf, section_header};

/// Clears rax: where a program asks whether a probe is traced.
const ASKS: &[u8] = &[0x48, 0x31, 0xc0];
/// Does nothing: where a probe fires.
const FIRES: &[u8] = &[0x90];

fn main() -> Result<()> {
    std::env::args().skip(1).try_for_each(|file| check(&file).context(file))
}

fn check(file: &str) -> Result<()> {
    let bytes = std::fs::read(file)?;
    let elf = Elf::parse(&bytes)?;
    check_section(&elf)?;
    for section in usdt::probe_records(file)? {
        for provider in section.providers.values() {
            for probe in provider.probes.values() {
                ensure!(
                    !probe.offsets.is_empty() && !probe.enabled_offsets.is_empty(),
                    "{}: half a probe",
                    probe.name
                );
                let asks = probe.enabled_offsets.iter().map(|offset| (offset, ASKS));
                let fires = probe.offsets.iter().map(|offset| (offset, FIRES));
                for (offset, instruction) in asks.chain(fires) {
                    let address = probe.address + u64::from(*offset);
                    let found = code_at(&elf, &bytes, address).with_context(|| {
                        format!("{}: {address:#x} is not in the program's text", probe.name)
                    })?;
                    ensure!(
                        found.starts_with(instruction),
                        "{}: no such instruction at {address:#x}",
                        probe.name
                    );
                }
                println!("{}:::{}({})", provider.name, probe.name, probe.arguments.join(", "));
            }
        }
    }
    Ok(())
}

/// The section is loaded and may be written, as its records are once they are registered, and the symbols by which the
/// program finds it, if it still has symbols, are at its ends.
fn check_section(elf: &Elf<'_>) -> Result<()> {
    let section = elf
        .section_headers
        .iter()
        .find(|section| elf.shdr_strtab.get_at(section.sh_name) == Some("set_dtrace_probes"))
        .context("no section of probe records")?;
    ensure!(
        section.is_alloc() && section.is_writable(),
        "the section of probe records is not loaded as data"
    );
    let ends = [
        ("__start_set_dtrace_probes", section.sh_addr),
        ("__stop_set_dtrace_probes", section.sh_addr + section.sh_size),
    ];
    for symbol in &elf.syms {
        let name = elf.strtab.get_at(symbol.st_name);
        if let Some((name, address)) = ends.iter().find(|(end, _)| name == Some(*end)) {
            ensure!(
                symbol.st_value == *address,
                "{name} is not at the end of the section of probe records"
            );
        }
    }
    Ok(())
}

/// The program's code from an address to the end of its section.
fn code_at<'a>(elf: &Elf<'_>, bytes: &'a [u8], address: u64) -> Option<&'a [u8]> {
    let section = elf.section_headers.iter().find(|section| {
        section.is_executable()
            && section.sh_type == section_header::SHT_PROGBITS
            && (section.sh_addr..section.sh_addr + section.sh_size).contains(&address)
    })?;
    let into = usize::try_from(address - section.sh_addr).ok()?;
    bytes.get(section.file_range()?)?.get(into..)
}
