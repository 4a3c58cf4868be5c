//! The samples of a network ↔ bytes, for messages and journals.
//!
//! Little-endian, fixed layout, n samples:
//!
//! | bytes | type | field |
//! |-------|------|-------|
//! | 8     | f64  | seconds |
//! | 61 n  |      | samples: step, zero step, distance, gradient norm, value, input norm, certified distance (f64 each), evaluations (u32), status code (u8) |
//!
//! Floats keep their bits, NaN included. Decoding checks length and status codes only; callers add a checksum where storage may corrupt data.

use super::{Sample, Status};

const HEAD_BYTES: usize = 8;
const FLOATS: usize = 7;
const SAMPLE_BYTES: usize = 8 * FLOATS + 5;

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
        let Sample { step, zero_step, distance, gradient_norm, value, input_norm, certified, evaluations, status } = *sample;
        let (floats, rest) = bytes.split_at_mut(8 * FLOATS);
        let fields: [f64; FLOATS] = [step, zero_step, distance, gradient_norm, value, input_norm, certified];
        floats.chunks_exact_mut(8).zip(fields).for_each(|(bytes, field)| bytes.copy_from_slice(&field.to_le_bytes()));
        rest[..4].copy_from_slice(&evaluations.to_le_bytes());
        rest[4] = status as u8;
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
    let (floats, rest) = bytes.split_at(8 * FLOATS);
    let field = |at: usize| f64::from_le_bytes(floats[8 * at..8 * at + 8].try_into().expect("eight bytes"));
    Ok(Sample {
        step: field(0),
        zero_step: field(1),
        distance: field(2),
        gradient_norm: field(3),
        value: field(4),
        input_norm: field(5),
        certified: field(6),
        evaluations: u32::from_le_bytes(rest[..4].try_into().expect("four bytes")),
        status: Status::from_code(rest[4]).ok_or(DecodeError::UnknownStatus(rest[4]))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(inputs: usize) -> Vec<Sample> {
        let sample = |i: usize| Sample {
            step: [1.25, f64::NAN, f64::MIN_POSITIVE, 20.0][i % 4],
            zero_step: [f64::NAN, 0.25][i % 2],
            distance: 2.0 * i as f64,
            gradient_norm: [0.5, 0.0, f64::INFINITY][i % 3],
            value: -0.1 * i as f64,
            input_norm: 3.0 + i as f64,
            certified: [0.5, f64::NAN][i % 2],
            status: Status::ALL[i % 5],
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
        assert_eq!(bytes[64..68], u32::MAX.to_le_bytes());
        assert_eq!((bytes[68], bytes[129]), (Status::FoundExact as u8, Status::FoundScan as u8));
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
