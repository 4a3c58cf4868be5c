//! ZIP archives, as far as NPZ needs them: members stored or deflated, at most 4 GiB each, without encryption.

use std::io::Read;

use flate2::read::DeflateDecoder;

use super::{Limit, Why};

const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
/// Bytes of each record without its variable parts.
const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
const END_BYTES: usize = 22;
/// Longest comment behind the end record.
const LONGEST_COMMENT: usize = u16::MAX as usize;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const ENCRYPTED: u16 = 1;
/// 1 January 1980, so that files do not depend on the time.
const DATE: u16 = 0x21;

/// A member of an archive, as its central directory describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub name: String,
    method: u16,
    compressed: usize,
    size: usize,
    checksum: u32,
    /// Of the local header.
    offset: usize,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The members, in the order of the central directory.
///
/// # Errors
/// `bytes` are no archive that can be read, or its members together declare more than `limit`.
pub fn members(bytes: &[u8], limit: Limit) -> Result<Vec<Member>, Why> {
    if !bytes.starts_with(&LOCAL) && !bytes.starts_with(&END) {
        return Err("it is not a ZIP archive".to_string());
    }
    const DAMAGED: &str = "its directory is damaged, or the file is cut short";
    let last = bytes.len().checked_sub(END_BYTES).ok_or(DAMAGED)?;
    let first = last.saturating_sub(LONGEST_COMMENT);
    let end = (first..=last).rev().find(|&at| bytes[at..].starts_with(&END)).ok_or(DAMAGED)?;
    let count = u16_at(bytes, end + 10).ok_or(DAMAGED)?;
    let mut at = u32_at(bytes, end + 16).ok_or(DAMAGED)? as usize;
    let mut members = Vec::new();
    let mut declared = 0;
    for _ in 0..count {
        let record = bytes.get(at..end).filter(|record| record.starts_with(&CENTRAL)).ok_or(DAMAGED)?;
        let field = |at| u16_at(record, at).ok_or(DAMAGED);
        let long = |at| u32_at(record, at).map(|number| number as usize).ok_or(DAMAGED);
        let (flags, method) = (field(8)?, field(10)?);
        let (name, extra, comment) = (usize::from(field(28)?), usize::from(field(30)?), usize::from(field(32)?));
        let name_bytes = record.get(CENTRAL_BYTES..CENTRAL_BYTES + name).ok_or(DAMAGED)?;
        let member = Member {
            name: String::from_utf8_lossy(name_bytes).into_owned(),
            method,
            compressed: long(20)?,
            size: long(24)?,
            checksum: u32_at(record, 16).ok_or(DAMAGED)?,
            offset: long(42)?,
        };
        if flags & ENCRYPTED != 0 {
            return Err(format!("its member `{}` is encrypted", member.name));
        }
        if ![STORED, DEFLATED].contains(&method) {
            return Err(format!("its member `{}` is compressed by method {method}, and only deflate is read", member.name));
        }
        if [member.compressed, member.size, member.offset].contains(&(u32::MAX as usize)) {
            return Err(format!("its member `{}` is in ZIP64 form, of 4 GiB or more", member.name));
        }
        declared += member.size as u64;
        limit.check_bytes(declared).map_err(|why| format!("its members declare {why}"))?;
        at += CENTRAL_BYTES + name + extra + comment;
        members.push(member);
    }
    Ok(members)
}

/// The contents of a member; never more than it declares.
///
/// # Errors
/// The archive is damaged.
pub fn extract(bytes: &[u8], member: &Member) -> Result<Vec<u8>, Why> {
    let damaged = |why: &str| format!("its member `{}` is damaged: {why}", member.name);
    let local = bytes.get(member.offset..).filter(|local| local.starts_with(&LOCAL)).ok_or_else(|| damaged("it has no header"))?;
    let variable = u16_at(local, 26).zip(u16_at(local, 28)).map(|(name, extra)| usize::from(name) + usize::from(extra));
    let start = LOCAL_BYTES + variable.ok_or_else(|| damaged("it has no header"))?;
    let data = local.get(start..start.saturating_add(member.compressed)).ok_or_else(|| damaged("it is cut short"))?;
    let mut contents = Vec::new();
    let read = match member.method {
        STORED => data.take(member.size as u64 + 1).read_to_end(&mut contents),
        _ => DeflateDecoder::new(data).take(member.size as u64 + 1).read_to_end(&mut contents),
    };
    read.map_err(|error| damaged(&error.to_string()))?;
    if contents.len() != member.size {
        return Err(damaged("it does not have the length that it declares"));
    }
    if crc32fast::hash(&contents) != member.checksum {
        return Err(damaged("its checksum does not match"));
    }
    Ok(contents)
}

/// An archive of these members (name, contents), stored.
///
/// # Errors
/// The archive would exceed 4 GiB or 65,535 members.
pub fn archive(members: &[(String, Vec<u8>)]) -> Result<Vec<u8>, Why> {
    let too_large = || "an NPZ file larger than 4 GiB is not written".to_string();
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, contents) in members {
        let offset = u32::try_from(out.len()).map_err(|_| too_large())?;
        let size = u32::try_from(contents.len()).map_err(|_| too_large())?;
        let length = u16::try_from(name.len()).map_err(|_| too_large())?;
        // From the version to the length of the extra field: the same in both headers.
        let mut common = Vec::new();
        for field in [20, 0, STORED, 0, DATE] {
            common.extend_from_slice(&u16::to_le_bytes(field));
        }
        for field in [crc32fast::hash(contents), size, size] {
            common.extend_from_slice(&field.to_le_bytes());
        }
        common.extend_from_slice(&length.to_le_bytes());
        common.extend_from_slice(&[0; 2]);
        out.extend([&LOCAL[..], &common, name.as_bytes(), contents].concat());
        directory.extend([&CENTRAL[..], &20_u16.to_le_bytes(), &common, &[0; 10], &offset.to_le_bytes(), name.as_bytes()].concat());
    }
    let count = u16::try_from(members.len()).map_err(|_| too_large())?.to_le_bytes();
    let start = u32::try_from(out.len()).map_err(|_| too_large())?;
    let length = u32::try_from(directory.len()).map_err(|_| too_large())?;
    out.extend(directory);
    out.extend([&END[..], &[0; 4], &count, &count, &length.to_le_bytes(), &start.to_le_bytes(), &[0; 2]].concat());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    fn example() -> (Vec<(String, Vec<u8>)>, Vec<u8>) {
        let contents = vec![("a.npy".to_string(), b"some bytes".to_vec()), ("b/c.npy".to_string(), Vec::new())];
        let bytes = archive(&contents).unwrap();
        (contents, bytes)
    }

    fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Why> {
        members(bytes, Limit::MOST)?.iter().map(|member| Ok((member.name.clone(), extract(bytes, member)?))).collect()
    }

    /// `bytes` with its only member deflated, declaring `size` bytes.
    fn deflated(contents: &[u8], size: u32) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(contents).unwrap();
        let data = encoder.finish().unwrap();
        let mut bytes = archive(&[("a".to_string(), data.clone())]).unwrap();
        let central = bytes.windows(4).position(|window| window == CENTRAL).unwrap();
        for (at, field) in [(central + 24, size), (central + 16, crc32fast::hash(contents))] {
            bytes[at..at + 4].copy_from_slice(&field.to_le_bytes());
        }
        bytes[central + 10] = 8;
        bytes
    }

    #[test]
    fn members_come_back_stored_or_deflated() {
        let (contents, bytes) = example();
        assert_eq!(read(&bytes).unwrap(), contents);
        let text = vec![7; 10_000];
        assert_eq!(read(&deflated(&text, 10_000)).unwrap()[0].1, text);
    }

    #[test]
    fn bombs_are_refused() {
        // More than declared is not inflated.
        let why = read(&deflated(&vec![0; 1 << 20], 100)).unwrap_err();
        assert!(why.contains("does not have the length"), "{why}");
        // Three members that declare 4 GiB each.
        let mut bytes = archive(&["a", "b", "c"].map(|name| (name.to_string(), vec![0; 4]))).unwrap();
        let headers: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(&CENTRAL)).collect();
        headers.iter().for_each(|at| bytes[at + 24..at + 28].copy_from_slice(&0xffff_fff0_u32.to_le_bytes()));
        assert!(members(&bytes, Limit::MOST).unwrap_err().contains("declare 1"));
    }

    #[test]
    fn no_prefix_and_no_changed_byte_panics() {
        let (contents, bytes) = example();
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
        for mut bytes in [bytes, deflated(&contents[0].1, 10)] {
            for at in 0..bytes.len() {
                for bit in 0..8 {
                    bytes[at] ^= 1 << bit;
                    let _ = read(&bytes);
                    bytes[at] ^= 1 << bit;
                }
            }
        }
    }
}
