//! The file of a finished shard: a header, the records of its units, a checksum. Format version 1:
//!
//! | bytes | type | content |
//! |-------|------|---------|
//! | 8     |      | `ADVSHARD` |
//! | 4     | u32  | format version |
//! | 4     | u32  | length h of the header |
//! | h     | JSON | `Header` |
//! | …     |      | records, one after another, as between ranks (`run::codec`) |
//! | 4     | u32  | CRC-32 (IEEE) of everything before |
//!
//! Integers are little-endian. The file appears whole or not at all.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Shard;
use crate::error::BadInput;
use crate::experiment::Experiment;
use crate::files::{Existing, place};
use crate::results::read::{check_sample, check_seconds};
use crate::results::{EngineName, Provenance, SearchName};
use crate::run::codec;
use crate::unit::{SCIENCE_VERSION, UnitRecord};

const MAGIC: [u8; 8] = *b"ADVSHARD";
const VERSION: u32 = 1;
/// Bytes before the JSON, and of the checksum behind the records.
const FRONT: usize = 16;
const CHECKSUM: usize = 4;

/// A finished shard: what [`write`] takes and [`read`] gives.
#[derive(Debug, Clone)]
pub struct ShardResults {
    pub shard: Shard,
    pub experiment: Experiment,
    /// Engine and search of every cell of the experiment.
    pub methods: Vec<(EngineName, SearchName)>,
    pub provenance: Provenance,
    /// Records of this shard's units, in any order.
    pub records: Vec<UnitRecord>,
}

/// What the file says of itself before its records.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    /// i and n of shard i of n.
    shard: (usize, usize),
    /// As TOML.
    experiment: String,
    science_version: u32,
    /// Codes of engine and search, a pair for each cell.
    methods: Vec<(u8, u8)>,
    provenance: Provenance,
}

/// Writes the file of a shard to `path`.
pub fn write(path: &Path, existing: Existing, results: &ShardResults) -> anyhow::Result<()> {
    let header = Header {
        shard: (results.shard.number(), results.shard.count()),
        experiment: results.experiment.to_toml(),
        science_version: SCIENCE_VERSION,
        methods: results.methods.iter().map(|&(engine, search)| (engine as u8, search as u8)).collect(),
        provenance: results.provenance.clone(),
    };
    let header = serde_json::to_vec(&header)?;
    let mut start = Vec::from(MAGIC);
    start.extend(VERSION.to_le_bytes());
    start.extend(u32::try_from(header.len())?.to_le_bytes());
    start.extend(header);
    place::write(path, existing, |aside| {
        let (mut file, mut checksum) = (BufWriter::new(fs::File::create(aside)?), crc32fast::Hasher::new());
        let mut put = |bytes: &[u8]| {
            checksum.update(bytes);
            file.write_all(bytes)
        };
        put(&start)?;
        let mut bytes = Vec::new();
        for record in &results.records {
            bytes.clear();
            codec::encode(record, &mut bytes);
            put(&bytes)?;
        }
        file.write_all(&checksum.finalize().to_le_bytes())?;
        Ok(file.flush()?)
    })
}

/// Reads the file of a shard.
///
/// # Errors
/// [`BadInput`] whatever is wrong with the file. The memory taken is bounded by a multiple of the size of the file.
pub fn read(path: &Path) -> Result<ShardResults, BadInput> {
    let bytes = fs::read(path).map_err(|error| error.to_string());
    bytes.and_then(|bytes| decode(&bytes)).map_err(|why| {
        let what = format!("cannot read the shard {}", path.display());
        BadInput::new(what, why, "give a file that `advstep-hpc run --shard` wrote, or run that shard again")
    })
}

/// The shard in the bytes of a file, or why there is none.
fn decode(bytes: &[u8]) -> Result<ShardResults, String> {
    let foreign = || "it is no shard file".to_string();
    let short = || "it is cut short".to_string();
    if !bytes.starts_with(&MAGIC) {
        return Err(foreign());
    }
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or_else(short)?;
    let number = |at: usize| body.get(at..at + 4).map(|bytes| u32::from_le_bytes(bytes.try_into().expect("4 bytes")));
    let version = number(8).ok_or_else(short)?;
    if version != VERSION {
        return Err(format!("its format version is {version}, this program reads version {VERSION}"));
    }
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return Err("it is damaged or cut short: its checksum does not match".to_string());
    }
    // The checksum guards against accidents only: from here on nothing is taken on trust.
    let length = number(12).ok_or_else(short)? as usize;
    let (header, records) = body[FRONT..].split_at_checked(length).ok_or_else(short)?;
    let header: Header = serde_json::from_slice(header).map_err(|error| format!("its header is damaged: {error}"))?;
    if header.science_version != SCIENCE_VERSION {
        let version = header.science_version;
        return Err(format!("it has version {version} of the science, this program has version {SCIENCE_VERSION}"));
    }
    let shard = Shard::new(header.shard.0, header.shard.1).ok_or("its header names no shard")?;
    let experiment = Experiment::from_toml(&header.experiment, "its header").map_err(|error| format!("its experiment: {error}"))?;
    if header.methods.len() != experiment.cell_count() {
        return Err(format!("its header is damaged: {} methods for {} cells", header.methods.len(), experiment.cell_count()));
    }
    let method = |(engine, search): (u8, u8)| Some((EngineName::from_code(engine)?, SearchName::from_code(search)?));
    let methods: Option<Vec<_>> = header.methods.into_iter().map(method).collect();
    let methods = methods.ok_or("its header names an engine or search that this program does not know")?;
    let records = codec::decode_all(records).map_err(|error| format!("its records are damaged: {error}"))?;
    for record in &records {
        check_record(record, &experiment)
            .map_err(|why| format!("network {} of cell {}: {why}", record.unit.network, record.unit.cell))?;
    }
    Ok(ShardResults { shard, experiment, methods, provenance: header.provenance, records })
}

/// Refuses the record of a network that the experiment does not have, and samples that cannot be.
fn check_record(record: &UnitRecord, experiment: &Experiment) -> Result<(), String> {
    if record.unit.cell >= experiment.cell_count() || record.unit.network >= experiment.networks {
        return Err("its experiment has no such network".to_string());
    }
    if record.samples.len() != experiment.samples_of_network() {
        return Err(format!("{} samples for {}", record.samples.len(), experiment.samples_of_network()));
    }
    check_seconds(record.seconds)?;
    record.samples.iter().try_for_each(|sample| check_sample(sample, experiment.bound))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Unit;
    use crate::unit::{Sample, Status};

    fn example() -> ShardResults {
        let toml = "depths = [1]\ndims = [2]\nwidths = [3, 4]\nnetworks = 2\ninputs = 3\nseed = 5";
        let experiment = Experiment::from_toml(toml, "test").unwrap();
        let shard = Shard::new(2, 2).unwrap();
        let provenance = Provenance { ranks: 1, threads: 1, ..Provenance::default() };
        let dead = Sample { step: f64::NAN, gradient_norm: 0.0, value: 0.0, status: Status::Dead, evaluations: 0 };
        let found = Sample { step: 1.5, gradient_norm: 1.0, value: -1.0, status: Status::FoundExact, evaluations: 2 };
        let record = |unit| UnitRecord { unit, samples: vec![dead, found, found], seconds: 0.5 };
        let records = shard.units(&experiment).into_iter().map(record).collect();
        ShardResults { shard, experiment, methods: vec![(EngineName::Dense, SearchName::Line); 2], provenance, records }
    }

    fn bytes_of(results: &ShardResults) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.shard");
        write(&path, Existing::Refuse, results).unwrap();
        fs::read(path).unwrap()
    }

    /// `bytes` changed, with a checksum that fits.
    fn forged(mut bytes: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        bytes.truncate(bytes.len() - CHECKSUM);
        change(&mut bytes);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    #[test]
    fn a_shard_comes_back_bit_for_bit() {
        let bytes = bytes_of(&example());
        let back = decode(&bytes).unwrap();
        assert_eq!((back.shard, &back.experiment), (example().shard, &example().experiment));
        assert_eq!(back.records.iter().map(|record| record.unit).collect::<Vec<Unit>>(), back.shard.units(&back.experiment));
        assert_eq!(bytes_of(&back), bytes);
    }

    #[test]
    fn every_truncation_and_flipped_bit_is_refused() {
        let bytes = bytes_of(&example());
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
        }
        for bit in 0..8 * bytes.len() {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn what_a_forger_writes_is_refused_without_absurd_allocations() {
        let bytes = bytes_of(&example());
        let replace = |from: &str, to: &str| {
            forged(bytes.clone(), |bytes| {
                let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
                bytes.splice(at..at + from.len(), to.bytes());
                let length = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) + to.len() as u32 - from.len() as u32;
                bytes[12..16].copy_from_slice(&length.to_le_bytes());
            })
        };
        assert!(decode(&replace("dims = [2]", "dims = [2]")).is_ok());
        for (from, to, why) in [
            ("\"shard\":[2,2]", "\"shard\":[3,2]", "names no shard"),
            ("inputs = 3", "inputs = 100000000", "samples for"),
            ("networks = 2", "networks = 1", "no such network"),
            ("widths = [3, 4]", "widths = [3, 4, 5]", "2 methods for 3 cells"),
            ("[0,0]", "[9,0]", "does not know"),
            ("dims = [2]", "dims = [0]", "its experiment"),
        ] {
            let found = decode(&replace(from, to)).unwrap_err();
            assert!(found.contains(why), "{to}: {found}");
        }
        let huge = forged(bytes.clone(), |bytes| bytes[12..16].copy_from_slice(&u32::MAX.to_le_bytes()));
        assert_eq!(decode(&huge).unwrap_err(), "it is cut short");
    }
}
