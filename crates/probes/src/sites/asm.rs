//! How a probe is put into a program, and on record for the usdt crate, which registers it with DTrace when the program
//! runs.
//!
//! That crate has macros for this, but they choose what to leave in a program when they are compiled themselves, so for
//! the machine that builds: on Linux, for Linux's tracers, whatever the program is built for
//! (oxidecomputer/usdt#459). What is left here is what they leave on illumos, in version 1 of their records. The half
//! of the crate that reads these is compiled for illumos either way.

/// Two instructions, each on record. The first clears a register, unless DTrace is in its place and sets it. Only then
/// are the arguments made, and put where a call of C has them for the second, which does nothing itself.
macro_rules! fire {
    ($name:literal, $($argument:ident: $kind:tt),+) => {{
        let traced: u64;
        // SAFETY: clears the register that it names and sets flags, no more.
        unsafe {
            std::arch::asm!(
                "990: xor rax, rax",
                record!("1", $name),
                out("rax") traced,
                options(nomem, nostack)
            );
        }
        if traced != 0 {
            let arguments = [$(asm::Argument::from($argument)),+];
            let word = |n: usize| arguments.get(n).map_or(0, asm::Argument::word);
            // SAFETY: does nothing; the texts that DTrace reads in its place are kept until after it.
            unsafe {
                std::arch::asm!(
                    "990: nop",
                    record!("0", $name $(, $kind)+),
                    in("rdi") word(0),
                    in("rsi") word(1),
                    in("rdx") word(2),
                    options(readonly, nostack, preserves_flags)
                );
            }
        }
    }};
}

/// The record of the instruction at label 990: its length, version, number of arguments, whether the instruction asks
/// if the probe is traced, its address, the names of provider and probe, the C types of the arguments.
///
/// Linkers that leave out what is not referred to keep the records for the program's references to the ends of their
/// section, and illumos's for the second section.
macro_rules! record {
    ($asks:literal, $name:literal $(, $kind:tt)*) => {
        concat!(
            ".pushsection set_dtrace_probes, \"", section_flags!(), "\", \"progbits\"\n",
            ".balign 8\n",
            "991: .4byte 992f - 991b\n",
            ".byte 1\n",
            ".byte 0", $(" + 1", empty!($kind),)* "\n",
            ".2byte ", $asks, "\n",
            ".8byte 990b\n",
            ".asciz \"zonekit\"\n",
            ".asciz \"", $name, "\"\n",
            $(".asciz \"", c_type!($kind), "\"\n",)*
            ".balign 8\n",
            "992: .popsection\n",
            ".pushsection yeet_dtrace_probes\n",
            ".8byte 991b\n",
            ".popsection",
        )
    };
}

#[cfg(not(test))]
macro_rules! section_flags {
    () => {
        "aw"
    };
}

/// The tests do not register their probes, so nothing refers to the section.
#[cfg(test)]
macro_rules! section_flags {
    () => {
        "awR"
    };
}

macro_rules! empty {
    ($kind:tt) => {
        ""
    };
}

macro_rules! c_type {
    (str) => {
        "char*"
    };
    (i32) => {
        "int32_t"
    };
    (u64) => {
        "uint64_t"
    };
    (bool) => {
        "uint8_t"
    };
}

/// An argument of a probe that is traced.
pub(super) enum Argument {
    /// With a NUL at the end.
    Text(Vec<u8>),
    Number(u64),
}

impl Argument {
    /// What goes into the register: the number, or where the text is.
    pub(super) fn word(&self) -> u64 {
        match self {
            Self::Text(text) => text.as_ptr() as u64,
            Self::Number(number) => *number,
        }
    }
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Self::Text([text.as_bytes(), b"\0"].concat())
    }
}

impl From<i32> for Argument {
    fn from(number: i32) -> Self {
        Self::Number(i64::from(number) as u64)
    }
}

impl From<u64> for Argument {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Argument {
    fn from(yes: bool) -> Self {
        Self::Number(yes.into())
    }
}
