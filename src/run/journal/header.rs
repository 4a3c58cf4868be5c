//! The header of a journal: everything that decides the bytes of its records, so that no other run takes them for its own.
//!
//! | bytes | type | field |
//! |-------|------|-------|
//! | 20    |      | `advstep-hpc journal\n` |
//! | 4     | u32  | version of the journal's format |
//! | 8     | u64  | length n of the text |
//! | 4     | u32  | CRC-32 (IEEE) of the text |
//! | n     |      | the text, TOML |

use std::io::Read;

use toml::{Table, Value};

use crate::experiment::{Experiment, differing_field, field_texts};
use crate::machine::blas;
use crate::plan::Plan;
use crate::shard::Shard;
use crate::unit;

const MAGIC: &[u8; 20] = b"advstep-hpc journal\n";
/// Version of everything in this folder and of [`codec`](crate::run::codec).
const VERSION: u32 = 1;
/// Bytes before the text.
const HEAD: usize = 36;
/// No experiment needs a longer text.
const LONGEST_TEXT: u64 = 64 << 20;
/// The key that may differ: see [`Header::difference`].
const REVISION: &str = "revision";

/// What a journal says of its records.
#[derive(Debug, Clone, PartialEq)]
pub struct Header(Table);

/// Why bytes are no header.
type Why = String;

impl Header {
    /// What decides the bytes of the records of `experiment`, planned as `plan`, by this program on this machine. Ranks, threads and
    /// memory do not. The kernels that BLAS chose for the processor do: products in f64 are theirs.
    pub fn new(experiment: &Experiment, shard: Option<Shard>, plan: &Plan) -> Self {
        let experiment: Table = experiment.to_toml().parse().expect("an experiment is TOML");
        let shard = shard.map(|shard| ("shard".to_string(), Value::from(shard.to_string())));
        Self(Table::from_iter(shard.into_iter().chain([
            ("science_version".to_string(), Value::from(i64::from(unit::SCIENCE_VERSION))),
            (REVISION.to_string(), Value::from(crate::machine::program_revision())),
            ("blas".to_string(), Value::from(blas::blas_name())),
            ("blas_kernels".to_string(), Value::from(blas::blas_core())),
            ("methods".to_string(), Value::from(methods(plan))),
            ("experiment".to_string(), Value::from(experiment)),
        ])))
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let text = self.0.to_string();
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(crc32fast::hash(text.as_bytes()).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    }

    /// Reads a header, and nothing behind it.
    pub fn read(source: &mut impl Read) -> Result<Self, Why> {
        let mut head = [0; HEAD];
        source.read_exact(&mut head).map_err(|_| "it is too short to be a journal")?;
        let (magic, numbers) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err("it is not a journal of advstep-hpc".into());
        }
        let number = |range: std::ops::Range<usize>| u32::from_le_bytes(numbers[range].try_into().expect("four bytes"));
        let (version, length, sum) = (number(0..4), u64::from(number(4..8)) | u64::from(number(8..12)) << 32, number(12..16));
        if version != VERSION {
            return Err(format!("its format version is {version}, this program reads version {VERSION}"));
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

    /// The first thing in which the records of `self`, a journal, are not those of `other`, in words.
    ///
    /// Another revision of the program is not a difference: what decides the bytes has the number [`unit::SCIENCE_VERSION`].
    pub fn difference(&self, other: &Header) -> Option<String> {
        let comparable = |header: &Header| Table::from_iter(header.0.clone().into_iter().filter(|(key, _)| key != REVISION));
        let (mine, others) = (comparable(self), comparable(other));
        let (key, mine, others) = match differing_field(&mine, &others)? {
            ("experiment", Some(Value::Table(mine)), Some(Value::Table(others))) => differing_field(mine, others)?,
            difference => difference,
        };
        let (mine, others) = field_texts(mine, others);
        Some(format!("its {key} is {mine}, now it is {others}"))
    }

    /// The revision of the program that began the journal, if it is not that of `other`.
    pub fn other_revision(&self, other: &Header) -> Option<&str> {
        let revision = |header: &'_ Header| header.0.get(REVISION).cloned();
        (revision(self) != revision(other)).then(|| self.0.get(REVISION)?.as_str()).flatten()
    }
}

/// Engine and search of the cells in order, e.g. `24 × dense line, 60 × dense trace`.
fn methods(plan: &Plan) -> String {
    let runs = plan.cells.chunk_by(|a, b| (a.engine, a.search) == (b.engine, b.search));
    let texts: Vec<String> = runs.map(|run| format!("{} × {} {}", run.len(), run[0].engine.name(), run[0].search.name())).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{self, Resources};

    fn header(toml: &str) -> Header {
        let experiment = Experiment::from_toml(toml, "test").unwrap();
        let plan = plan::plan(&experiment, Resources { threads: 1, memory: 1 << 33 }).unwrap();
        Header::new(&experiment, None, &plan)
    }

    const SMALL: &str = "depths = [1, 2]\ndims = [5]\nwidths = [10, 300]\nseed = 7\n";

    #[test]
    fn a_header_comes_back() {
        let header = header(SMALL);
        let bytes = header.to_bytes();
        let mut source = &[&bytes[..], b"records"].concat()[..];
        let back = Header::read(&mut source).unwrap();
        assert_eq!((&back, source), (&header, &b"records"[..]));
        assert_eq!((back.difference(&header), back.other_revision(&header)), (None, None));
    }

    #[test]
    fn the_difference_is_named() {
        let old = header(SMALL);
        let now = |toml: &str| old.difference(&header(toml)).unwrap();
        assert_eq!(now(&SMALL.replace("seed = 7", "seed = 8")), "its seed is 7, now it is 8");
        assert_eq!(now(&SMALL.replace("300", "200")), "its widths is [10, 300], now it is [10, 200]");
        assert_eq!(now(&format!("{SMALL}[extra_widths]\n1 = [50]\n")), "its extra_widths is not given, now it is { 1 = [50] }");
        assert_eq!(now(&format!("{SMALL}gain = 2\n")), "its gain is 1, now it is 2");
    }

    #[test]
    fn other_kernels_are_a_difference_and_another_revision_is_not() {
        let (mut old, now) = (header(SMALL), header(SMALL));
        old.0.insert("revision".into(), Value::from("0.0.9"));
        assert_eq!((old.difference(&now), old.other_revision(&now)), (None, Some("0.0.9")));
        old.0.insert("blas_kernels".into(), Value::from("Nehalem"));
        assert!(old.difference(&now).unwrap().starts_with("its blas_kernels is \"Nehalem\", now it is \""));
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
