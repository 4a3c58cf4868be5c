//! The header of a journal: everything that determines its results, so that no other job resumes from it.
//!
//! | bytes | type | field |
//! |-------|------|-------|
//! | 20    |      | `advstep-hpc journal\n` |
//! | 4     | u32  | version of the journal's format |
//! | 8     | u64  | length n of the text |
//! | 4     | u32  | CRC-32 (IEEE) of the text |
//! | n     |      | the text, TOML |

use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::{Table, Value};

use crate::provenance::program_revision;
use crate::text::{differing, values_apart};

const MAGIC: &[u8; 20] = b"advstep-hpc journal\n";
/// Version of the whole journal format, results of networks included.
const VERSION: u32 = 4;
/// The oldest version that is read: it has no frames of starts.
const OLDEST: u32 = 3;
/// Size of the fields before the text, in bytes.
const HEAD: usize = 36;
/// Upper limit of the text length, in bytes.
const LONGEST_TEXT: u64 = 64 << 20;
/// The key that [`Header::difference`] ignores.
pub const REVISION: &str = "revision";

/// The identity of a job: what every job of this program shares, and `own`.
pub fn identity(science_version: u32, own: impl IntoIterator<Item = (String, Value)>) -> Table {
    let shared = [
        ("science_version".to_string(), Value::from(i64::from(science_version))),
        (REVISION.to_string(), Value::from(program_revision())),
    ];
    shared.into_iter().chain(own).collect()
}

/// The identity of the job that wrote a journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Header(pub Table);

/// Why bytes are not a header.
type Why = String;

impl Header {
    pub fn to_bytes(&self) -> Vec<u8> {
        let text = self.0.to_string();
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(crc32fast::hash(text.as_bytes()).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    }

    /// Whether the file at `path` starts like a journal.
    pub fn is_at(path: &Path) -> bool {
        let mut start = [0; MAGIC.len()];
        File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *MAGIC
    }

    /// Reads a header and nothing beyond it.
    ///
    /// # Errors
    /// The bytes are not a header of this version.
    pub fn read(source: &mut impl Read) -> Result<Self, Why> {
        let mut head = Vec::new();
        source.take(HEAD as u64).read_to_end(&mut head).map_err(|error| error.to_string())?;
        if !head.starts_with(MAGIC) {
            return Err("it is not a journal of advstep-hpc".into());
        }
        if head.len() < HEAD {
            return Err("its header is truncated".into());
        }
        let numbers = &head[MAGIC.len()..];
        let number = |range: std::ops::Range<usize>| u32::from_le_bytes(numbers[range].try_into().expect("four bytes"));
        let (version, length, sum) = (number(0..4), u64::from(number(4..8)) | u64::from(number(8..12)) << 32, number(12..16));
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(format!("its format version is {version}, but this program reads versions {OLDEST} to {VERSION}"));
        }
        if length > LONGEST_TEXT {
            return Err("its header is damaged".into());
        }
        let mut text = Vec::new();
        source.take(length).read_to_end(&mut text).map_err(|error| error.to_string())?;
        let text =
            String::from_utf8(text).ok().filter(|text| text.len() as u64 == length && crc32fast::hash(text.as_bytes()) == sum);
        let table = text.and_then(|text| text.parse().ok()).ok_or("its header is damaged")?;
        Ok(Self(table))
    }

    /// The first key in which `self`, read from a journal, differs from `other`, as a message.
    ///
    /// The program revision is ignored: results depend on the science version only.
    pub fn difference(&self, other: &Header) -> Option<String> {
        let comparable = |header: &Header| Table::from_iter(header.0.clone().into_iter().filter(|(key, _)| key != REVISION));
        let (mine, others) = (comparable(self), comparable(other));
        let (key, mine, others) = differing(&mine, &others)?;
        if matches!((mine, others), (Some(Value::Table(_)), None)) {
            let article = if key.starts_with(['a', 'e']) { "an" } else { "a" };
            return Some(format!("it is the journal of {article} {key}, not of this job"));
        }
        let (mine, others) = values_apart(mine, others);
        Some(format!("its {key} is {mine}, that of this run is {others}"))
    }

    /// The revision of the program that created the journal, if it differs from that of `other`.
    pub fn other_revision(&self, other: &Header) -> Option<&str> {
        let revision = |header: &'_ Header| header.0.get(REVISION).cloned();
        (revision(self) != revision(other)).then(|| self.0.get(REVISION)?.as_str()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(toml: &str) -> Header {
        Header(toml.parse().unwrap())
    }

    const SMALL: &str = "science_version = 7\nrevision = '1'\n[experiment]\ndims = [5]\nwidths = [10, 300]\nseed = 7\ngain = 1.0\n";

    #[test]
    fn a_header_comes_back() {
        let header = header(SMALL);
        let bytes = header.to_bytes();
        let mut source = &[&bytes[..], b"results"].concat()[..];
        let back = Header::read(&mut source).unwrap();
        assert_eq!((&back, source), (&header, &b"results"[..]));
        assert_eq!((back.difference(&header), back.other_revision(&header)), (None, None));
    }

    #[test]
    fn the_difference_is_named_and_short() {
        let old = header(SMALL);
        let now = |toml: &str| old.difference(&header(toml)).unwrap();
        assert_eq!(now(&SMALL.replace("seed = 7", "seed = 8")), "its seed is 7, that of this run is 8");
        assert_eq!(now(&SMALL.replace("300", "200")), "its widths is [10, 300], that of this run is [10, 200]");
        assert_eq!(now(&format!("{SMALL}extra = [1]\n")), "its extra is not given, that of this run is [1]");
        assert_eq!(now(&SMALL.replace("= 7\nrev", "= 8\nrev")), "its science_version is 7, that of this run is 8");
        let many = SMALL.replace("300", &vec!["1000"; 100_000].join(","));
        assert!(now(&many).len() < 300, "{}", now(&many).len());
    }

    #[test]
    fn a_journal_of_another_command_is_named_as_such() {
        let audit = header(&SMALL.replace("[experiment]", "[audit]"));
        assert_eq!(audit.difference(&header(SMALL)).unwrap(), "it is the journal of an audit, not of this job");
        assert_eq!(header(SMALL).difference(&audit).unwrap(), "it is the journal of an experiment, not of this job");
    }

    #[test]
    fn another_revision_is_no_difference() {
        let (old, now) = (header(SMALL), header(&SMALL.replace("'1'", "'2'")));
        assert_eq!((old.difference(&now), old.other_revision(&now)), (None, Some("1")));
    }

    #[test]
    fn no_damage_passes() {
        let bytes = header(SMALL).to_bytes();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(Header::read(&mut &flipped[..]).is_err(), "byte {at}");
            assert!(Header::read(&mut &bytes[..at]).is_err(), "{at} bytes");
        }
    }
}
