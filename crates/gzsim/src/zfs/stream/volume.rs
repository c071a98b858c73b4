//! Volumes in streams: object 1 is the data, object 2 a ZAP with the size.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use super::super::files;
use super::reader::{Fault, Item};
use super::record::{FREE, MAX_PAYLOAD, OBJECT, Record, WRITE, WRITE_BYREF, WRITE_EMBEDDED};
use super::writer::Writer;

const DATA: u64 = 1;
const PROPERTIES: u64 = 2;
/// `DMU_OT_ZVOL` and `DMU_OT_ZVOL_PROP`.
const TYPE_DATA: u32 = 23;
const TYPE_PROPERTIES: u32 = 24;
/// `ZBT_MICRO`: the first word of a micro-ZAP.
const MICRO_ZAP: u64 = (1 << 63) + 3;
const ZAP_SIZE: usize = 512;

/// What the records say about the volume.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    pub volsize: Option<u64>,
    pub block_size: Option<u64>,
}

/// Carries out one record of a volume's stream on its file.
pub fn apply(item: &Item, file: &File, facts: &mut Facts) -> Result<(), Fault> {
    let record = &item.record;
    match record.kind() {
        OBJECT if record.u64(8) == DATA => {
            facts.block_size = Some(u64::from(record.u32(24))).filter(|n| *n > 0);
        }
        WRITE => {
            let lsize = record.u64(32);
            let compression = if record.u64(96) == 0 { 0 } else { record.bytes[50] };
            let data = decompress(compression, &item.payload, lsize)?;
            write(record.u64(8), record.u64(24), &data, record.swap, file, facts)?;
        }
        WRITE_EMBEDDED => {
            let lsize = u64::from(record.u32(48));
            let used = item.payload.get(..record.u32(52) as usize).ok_or(Fault::Invalid)?;
            let mut data = decompress(record.bytes[40], used, lsize)?;
            let length = record.u64(24).min(MAX_PAYLOAD) as usize;
            data.resize(length.max(data.len()), 0);
            write(record.u64(8), record.u64(16), &data, record.swap, file, facts)?;
        }
        // a block that came before in the same stream (`send -D`)
        WRITE_BYREF if record.u64(8) == DATA => {
            let len = record.u64(24);
            let own = record.u64(40) == record.u64(32) && record.u64(48) == DATA;
            if !own || len > MAX_PAYLOAD {
                return Err(Fault::Invalid);
            }
            let mut data = vec![0; len as usize];
            read_block(file, record.u64(56), &mut data)?;
            write(DATA, record.u64(16), &data, record.swap, file, facts)?;
        }
        FREE if record.u64(8) == DATA => files::zero(file, record.u64(16), record.u64(24))?,
        _ => {}
    }
    Ok(())
}

fn write(
    object: u64,
    offset: u64,
    data: &[u8],
    swap: bool,
    file: &File,
    facts: &mut Facts,
) -> Result<(), Fault> {
    // a file offset is signed
    if offset.checked_add(data.len() as u64).is_none_or(|end| end > i64::MAX as u64) {
        return Err(Fault::Invalid);
    }
    match object {
        DATA => files::write_block(file, offset, data)?,
        PROPERTIES if offset == 0 => facts.volsize = zap_size(data, swap).or(facts.volsize),
        _ => {}
    }
    Ok(())
}

/// The entry `size` of a micro-ZAP.
fn zap_size(zap: &[u8], swap: bool) -> Option<u64> {
    let word = |at: usize| {
        let n = zap.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)?;
        Some(if swap { n.swap_bytes() } else { n })
    };
    if word(0)? != MICRO_ZAP {
        return None;
    }
    (64..zap.len()).step_by(64).find_map(|at| {
        let name = zap.get(at + 14..at + 64)?;
        name.starts_with(b"size\0").then(|| word(at))?
    })
}

/// Undoes `enum zio_compress`: none, gzip or lz4.
fn decompress(method: u8, data: &[u8], lsize: u64) -> Result<Vec<u8>, Fault> {
    if lsize > MAX_PAYLOAD {
        return Err(Fault::Invalid);
    }
    let mut out = vec![0; lsize as usize];
    match method {
        0 | 2 => {
            let n = data.len().min(out.len());
            out[..n].copy_from_slice(&data[..n]);
        }
        5..=13 => {
            let mut inflater = flate2::read::ZlibDecoder::new(data);
            inflater.read_exact(&mut out).map_err(|_| Fault::Invalid)?;
        }
        15 => {
            let (len, rest) = data.split_first_chunk::<4>().ok_or(Fault::Invalid)?;
            let block = rest.get(..u32::from_be_bytes(*len) as usize).ok_or(Fault::Invalid)?;
            lz4_flex::block::decompress_into(block, &mut out).map_err(|_| Fault::Invalid)?;
        }
        _ => return Err(Fault::Invalid),
    }
    Ok(out)
}

/// A volume to be sent.
pub struct Source<'a> {
    pub file: &'a File,
    /// Contents of the snapshot that the stream builds on.
    pub base: Option<&'a File>,
    pub volsize: u64,
    pub block_size: u64,
    pub toguid: u64,
}

/// Writes the records between BEGIN and END: all blocks that hold data, or those that differ from the base.
pub fn send<W: Write>(source: &Source<'_>, out: &mut Writer<W>) -> io::Result<()> {
    for (object, kind, block) in [
        (DATA, TYPE_DATA, source.block_size as u32),
        (PROPERTIES, TYPE_PROPERTIES, ZAP_SIZE as u32),
    ] {
        let mut record = Record::new(OBJECT);
        record.put_u64(8, object);
        record.put_u32(16, kind);
        record.put_u32(24, block);
        record.bytes[34] = 1;
        record.put_u64(40, source.toguid);
        out.put(record, &[])?;
    }
    let mut zap = vec![0; ZAP_SIZE];
    zap[..8].copy_from_slice(&MICRO_ZAP.to_le_bytes());
    zap[64..72].copy_from_slice(&source.volsize.to_le_bytes());
    zap[78..82].copy_from_slice(b"size");
    put_write(out, PROPERTIES, TYPE_PROPERTIES, 0, &zap, source.toguid)?;
    let block = source.block_size.max(512);
    let mut data = vec![0; block as usize];
    let mut old = vec![0; block as usize];
    let mut next = 0;
    for (start, end) in changed_extents(source)? {
        let mut at = (start / block * block).max(next);
        while at < end {
            read_block(source.file, at, &mut data)?;
            match source.base {
                Some(base) => read_block(base, at, &mut old)?,
                None => old.fill(0),
            }
            if data != old {
                if data.iter().all(|b| *b == 0) {
                    put_free(out, at, block, source.toguid)?;
                } else {
                    put_write(out, DATA, TYPE_DATA, at, &data, source.toguid)?;
                }
            }
            at += block;
        }
        next = at.max(next);
    }
    Ok(())
}

/// Parts of the file that may differ from the base, in order.
fn changed_extents(source: &Source<'_>) -> io::Result<Vec<(u64, u64)>> {
    let mut extents = files::extents(source.file, source.file.metadata()?.len())?;
    if let Some(base) = source.base {
        extents.extend(files::extents(base, base.metadata()?.len())?);
        extents.sort_unstable();
    }
    Ok(extents)
}

/// Reads a block; what lies behind the end of the file is zeros.
fn read_block(file: &File, at: u64, block: &mut [u8]) -> io::Result<()> {
    let mut got = 0;
    while got < block.len() {
        match file.read_at(&mut block[got..], at + got as u64)? {
            0 => break,
            n => got += n,
        }
    }
    block[got..].fill(0);
    Ok(())
}

/// Writes one WRITE record.
pub fn put_write<W: Write>(
    out: &mut Writer<W>,
    object: u64,
    kind: u32,
    offset: u64,
    data: &[u8],
    toguid: u64,
) -> io::Result<()> {
    let mut record = Record::new(WRITE);
    record.put_u64(8, object);
    record.put_u32(16, kind);
    record.put_u64(24, offset);
    record.put_u64(32, data.len() as u64);
    record.put_u64(40, toguid);
    out.put(record, data)
}

fn put_free<W: Write>(out: &mut Writer<W>, at: u64, len: u64, toguid: u64) -> io::Result<()> {
    let mut record = Record::new(FREE);
    record.put_u64(8, DATA);
    record.put_u64(16, at);
    record.put_u64(24, len);
    record.put_u64(32, toguid);
    out.put(record, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_blocks_are_expanded() {
        let block = b"zonekit zonekit zonekit zonekit zonekit zonekit".repeat(20);
        let lz4 = lz4_flex::block::compress(&block);
        let mut stored = (lz4.len() as u32).to_be_bytes().to_vec();
        stored.extend_from_slice(&lz4);
        stored.resize(stored.len().next_multiple_of(512), 0);
        assert_eq!(decompress(15, &stored, block.len() as u64).unwrap(), block);
        assert!(decompress(15, &stored[..8], block.len() as u64).is_err());
        assert!(decompress(3, &stored, 10).is_err());
        assert_eq!(decompress(0, b"abc", 5).unwrap(), b"abc\0\0");
    }

    #[test]
    fn deduplicated_blocks_are_copied() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 << 10).unwrap();
        file.write_all_at(&[7; 8192], 8192).unwrap();
        let mut record = Record::new(WRITE_BYREF);
        for (at, n) in
            [(8, DATA), (16, 32_768), (24, 8192), (32, 5), (40, 5), (48, DATA), (56, 8192)]
        {
            record.put_u64(at, n);
        }
        let mut facts = Facts::default();
        let item = Item { record: record.clone(), payload: Vec::new() };
        apply(&item, &file, &mut facts).unwrap();
        let mut block = [0; 8192];
        file.read_exact_at(&mut block, 32_768).unwrap();
        assert_eq!(block, [7; 8192]);
        // of another snapshot's blocks nothing is known
        record.put_u64(40, 6);
        assert!(apply(&Item { record, payload: Vec::new() }, &file, &mut facts).is_err());
    }
}
