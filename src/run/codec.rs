//! [`UnitRecord`] ↔ bytes: what travels between ranks.
//!
//! Little-endian, fixed layout, records one after another with nothing between them:
//!
//! | bytes | type | field |
//! |-------|------|-------|
//! | 8     | u64  | index of the cell |
//! | 8     | u64  | index of the network |
//! | 8     | f64  | seconds |
//! | 8     | u64  | number of samples n |
//! | 29 n  |      | samples: step, gradient norm, value (f64 each), evaluations (u32), status code (u8) |
//!
//! Floating-point numbers keep their bits, NaN included. Decoding checks lengths and status codes; it cannot see a flipped bit in a
//! number: where bytes may rot, the caller adds a checksum.

use crate::experiment::Unit;
use crate::unit::{Sample, Status, UnitRecord};

const HEADER_BYTES: usize = 32;
const SAMPLE_BYTES: usize = 29;

/// Bytes that are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("a record is cut short: {needed} bytes are needed and {left} are left")]
    Truncated { needed: u128, left: usize },
    #[error("{0} is not the code of a status")]
    UnknownStatus(u8),
}

/// Bytes of a record with `inputs` samples.
pub fn record_bytes(inputs: usize) -> usize {
    HEADER_BYTES.saturating_add(SAMPLE_BYTES.saturating_mul(inputs))
}

/// Appends `record` to `bytes`.
pub fn encode(record: &UnitRecord, bytes: &mut Vec<u8>) {
    bytes.reserve(record_bytes(record.samples.len()));
    bytes.extend((record.unit.cell as u64).to_le_bytes());
    bytes.extend((record.unit.network as u64).to_le_bytes());
    bytes.extend(record.seconds.to_le_bytes());
    bytes.extend((record.samples.len() as u64).to_le_bytes());
    let start = bytes.len();
    bytes.resize(start + SAMPLE_BYTES * record.samples.len(), 0);
    for (bytes, sample) in bytes[start..].chunks_exact_mut(SAMPLE_BYTES).zip(&record.samples) {
        bytes[..8].copy_from_slice(&sample.step.to_le_bytes());
        bytes[8..16].copy_from_slice(&sample.gradient_norm.to_le_bytes());
        bytes[16..24].copy_from_slice(&sample.value.to_le_bytes());
        bytes[24..28].copy_from_slice(&sample.evaluations.to_le_bytes());
        bytes[28] = sample.status as u8;
    }
}

/// The first record of `bytes`, and the bytes behind it.
pub fn decode(bytes: &[u8]) -> Result<(UnitRecord, &[u8]), DecodeError> {
    let (header, rest) = split(bytes, HEADER_BYTES as u128)?;
    let mut header = Reader(header);
    let unit = Unit { cell: header.u64() as usize, network: header.u64() as usize };
    let seconds = header.f64();
    let count = header.u64();
    let (body, rest) = split(rest, u128::from(count) * SAMPLE_BYTES as u128)?;
    let samples = body.chunks_exact(SAMPLE_BYTES).map(sample).collect::<Result<_, _>>()?;
    Ok((UnitRecord { unit, samples, seconds }, rest))
}

/// All records of `bytes`.
pub fn decode_all(mut bytes: &[u8]) -> Result<Vec<UnitRecord>, DecodeError> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let (record, rest) = decode(bytes)?;
        records.push(record);
        bytes = rest;
    }
    Ok(records)
}

fn sample(bytes: &[u8]) -> Result<Sample, DecodeError> {
    let mut bytes = Reader(bytes);
    let (step, gradient_norm, value, evaluations) = (bytes.f64(), bytes.f64(), bytes.f64(), bytes.u32());
    let [code] = bytes.take();
    let status = Status::from_code(code).ok_or(DecodeError::UnknownStatus(code))?;
    Ok(Sample { step, gradient_norm, value, status, evaluations })
}

fn split(bytes: &[u8], needed: u128) -> Result<(&[u8], &[u8]), DecodeError> {
    let truncated = DecodeError::Truncated { needed, left: bytes.len() };
    let at = usize::try_from(needed).map_err(|_| truncated.clone())?;
    bytes.split_at_checked(at).ok_or(truncated)
}

/// Takes numbers off the front of a slice whose length has been checked.
struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (front, rest) = self.0.split_first_chunk().expect("the length was checked before");
        self.0 = rest;
        *front
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn f64(&mut self) -> f64 {
        f64::from_le_bytes(self.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(inputs: usize) -> UnitRecord {
        let sample = |i: usize| Sample {
            step: [1.25, f64::NAN, f64::MIN_POSITIVE, 20.0][i % 4],
            gradient_norm: [0.5, 0.0, f64::INFINITY][i % 3],
            value: -0.1 * i as f64,
            status: Status::ALL[i % 4],
            evaluations: u32::MAX - i as u32,
        };
        UnitRecord { unit: Unit { cell: 71, network: 99 }, samples: (0..inputs).map(sample).collect(), seconds: 1.5 }
    }

    fn encoded(record: &UnitRecord) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(record, &mut bytes);
        bytes
    }

    #[test]
    fn records_come_back_bit_for_bit() {
        for inputs in [0, 1, 5, 100] {
            let bytes = encoded(&record(inputs));
            assert_eq!(bytes.len(), record_bytes(inputs));
            let (back, rest) = decode(&bytes).unwrap();
            assert!(rest.is_empty());
            // NaN is not equal to itself, so the bytes are compared.
            assert_eq!(encoded(&back), bytes);
            assert_eq!((back.unit, back.samples.len()), (record(inputs).unit, inputs));
        }
        let (back, _) = decode(&encoded(&record(2))).unwrap();
        assert_eq!((back.samples[0].step, back.samples[1].status), (1.25, Status::FoundScan));
    }

    #[test]
    fn the_layout_is_as_documented() {
        let bytes = encoded(&record(1));
        assert_eq!(bytes[..8], 71u64.to_le_bytes());
        assert_eq!(bytes[16..24], 1.5f64.to_le_bytes());
        assert_eq!(bytes[32..40], 1.25f64.to_le_bytes());
        assert_eq!(bytes[56..60], u32::MAX.to_le_bytes());
        assert_eq!(bytes[60], Status::FoundExact as u8);
    }

    #[test]
    fn several_records_in_one_message() {
        let mut bytes = encoded(&record(3));
        encode(&record(0), &mut bytes);
        encode(&record(10), &mut bytes);
        let lengths: Vec<usize> = decode_all(&bytes).unwrap().iter().map(|record| record.samples.len()).collect();
        assert_eq!(lengths, [3, 0, 10]);
        assert!(decode_all(&[]).unwrap().is_empty());
    }

    #[test]
    fn every_truncation_is_an_error() {
        let bytes = encoded(&record(3));
        for length in 1..bytes.len() {
            assert!(matches!(decode_all(&bytes[..length]), Err(DecodeError::Truncated { .. })), "{length} bytes");
        }
    }

    #[test]
    fn corrupted_counts_and_codes_are_errors() {
        let mut bytes = encoded(&record(3));
        bytes[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(decode(&bytes), Err(DecodeError::Truncated { .. })));
        let mut bytes = encoded(&record(3));
        *bytes.last_mut().unwrap() = 200;
        assert_eq!(decode(&bytes), Err(DecodeError::UnknownStatus(200)));
        let mut bytes = encoded(&record(3));
        bytes.push(0);
        assert_eq!(decode_all(&bytes), Err(DecodeError::Truncated { needed: 32, left: 1 }));
    }
}
