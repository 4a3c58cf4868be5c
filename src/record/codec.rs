//! The samples of a network ↔ bytes, for messages and journals.
//!
//! Little-endian, fixed layout, n samples:
//!
//! | bytes | type | field |
//! |-------|------|-------|
//! | 8     | f64  | seconds |
//! | 29 n  |      | samples: step, gradient norm, value (f64 each), evaluations (u32), status code (u8) |
//!
//! Floats keep their bits, NaN included. Decoding checks length and status codes only; callers add a checksum where storage may corrupt data.

use super::{Sample, Status};

const HEAD_BYTES: usize = 8;
const SAMPLE_BYTES: usize = 29;

/// Bytes that do not decode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("{0} bytes hold no whole number of samples")]
    Length(usize),
    #[error("{0} is not the code of a status")]
    UnknownStatus(u8),
}

/// Encoded size of `inputs` samples, in bytes; saturates at `usize::MAX`.
pub fn encoded_bytes(inputs: usize) -> usize {
    SAMPLE_BYTES.saturating_mul(inputs).saturating_add(HEAD_BYTES)
}

/// Encodes `samples` and the thread-seconds of their network.
pub fn encode(samples: &[Sample], seconds: f64) -> Vec<u8> {
    let mut bytes = vec![0; encoded_bytes(samples.len())];
    bytes[..HEAD_BYTES].copy_from_slice(&seconds.to_le_bytes());
    for (bytes, sample) in bytes[HEAD_BYTES..].chunks_exact_mut(SAMPLE_BYTES).zip(samples) {
        bytes[..8].copy_from_slice(&sample.step.to_le_bytes());
        bytes[8..16].copy_from_slice(&sample.gradient_norm.to_le_bytes());
        bytes[16..24].copy_from_slice(&sample.value.to_le_bytes());
        bytes[24..28].copy_from_slice(&sample.evaluations.to_le_bytes());
        bytes[28] = sample.status as u8;
    }
    bytes
}

/// The inverse of [`encode`].
///
/// # Errors
/// A length that does not fit the layout, or an unknown status code.
pub fn decode(bytes: &[u8]) -> Result<(Vec<Sample>, f64), DecodeError> {
    let (head, body) = bytes.split_first_chunk().ok_or(DecodeError::Length(bytes.len()))?;
    let (samples, rest) = body.as_chunks::<SAMPLE_BYTES>();
    if !rest.is_empty() {
        return Err(DecodeError::Length(bytes.len()));
    }
    Ok((samples.iter().map(decode_sample).collect::<Result<_, _>>()?, f64::from_le_bytes(*head)))
}

fn decode_sample(bytes: &[u8; SAMPLE_BYTES]) -> Result<Sample, DecodeError> {
    let double = |at: usize| f64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    Ok(Sample {
        step: double(0),
        gradient_norm: double(8),
        value: double(16),
        evaluations: u32::from_le_bytes(bytes[24..28].try_into().expect("four bytes")),
        status: Status::from_code(bytes[28]).ok_or(DecodeError::UnknownStatus(bytes[28]))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(inputs: usize) -> Vec<Sample> {
        let sample = |i: usize| Sample {
            step: [1.25, f64::NAN, f64::MIN_POSITIVE, 20.0][i % 4],
            gradient_norm: [0.5, 0.0, f64::INFINITY][i % 3],
            value: -0.1 * i as f64,
            status: Status::ALL[i % 4],
            evaluations: u32::MAX - i as u32,
        };
        (0..inputs).map(sample).collect()
    }

    #[test]
    fn samples_come_back_bit_for_bit() {
        for inputs in [0, 1, 5, 100] {
            let bytes = encode(&samples(inputs), 1.5);
            assert_eq!(bytes.len(), encoded_bytes(inputs));
            let (back, seconds) = decode(&bytes).unwrap();
            // NaN is not equal to itself, so the bytes are compared.
            assert_eq!((encode(&back, seconds), back.len(), seconds), (bytes, inputs, 1.5));
        }
    }

    #[test]
    fn the_layout_is_as_documented() {
        let bytes = encode(&samples(2), 1.5);
        assert_eq!(bytes[..8], 1.5f64.to_le_bytes());
        assert_eq!(bytes[8..16], 1.25f64.to_le_bytes());
        assert_eq!(bytes[32..36], u32::MAX.to_le_bytes());
        assert_eq!((bytes[36], bytes[65]), (Status::FoundExact as u8, Status::FoundScan as u8));
    }

    #[test]
    fn truncations_and_unknown_codes_are_errors() {
        let bytes = encode(&samples(3), 0.0);
        for length in 0..bytes.len() {
            let is_whole = length >= HEAD_BYTES && (length - HEAD_BYTES).is_multiple_of(SAMPLE_BYTES);
            assert_eq!(decode(&bytes[..length]).is_ok(), is_whole, "{length} bytes");
        }
        let mut unknown = bytes;
        *unknown.last_mut().unwrap() = 200;
        assert_eq!(decode(&unknown), Err(DecodeError::UnknownStatus(200)));
    }
}
