//! NPY: one NumPy array of real numbers of any width and byte order, widened to f64.

use ndarray::{ArrayD, IxDyn, ShapeBuilder};

use super::{Limit, Why};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header, in bytes.
const LONGEST_HEADER: usize = 1 << 16;

/// The header of an array.
#[derive(Debug, PartialEq)]
struct Header<'a> {
    descr: &'a str,
    is_fortran: bool,
    shape: Vec<usize>,
}

/// Decodes an array. Memory use is bounded by a multiple of the length of `bytes`.
///
/// # Errors
/// Why `bytes` are not an array of numbers.
pub fn read(bytes: &[u8], limit: Limit) -> Result<ArrayD<f64>, Why> {
    let (header, data) = split(bytes)?;
    let header = parse(header)?;
    let (size, decode) = decoder(header.descr)
        .ok_or_else(|| format!("its numbers are of a type that this program does not read (descr {:.40})", header.descr))?;
    let needed = header.shape.iter().try_fold(size, |bytes, &size| bytes.checked_mul(size));
    match needed {
        Some(needed) if needed == data.len() => {}
        Some(needed) if needed < data.len() => return Err(format!("it has {} bytes after its last number", data.len() - needed)),
        _ => return Err("it is cut short: its header declares more numbers than it has bytes".to_string()),
    }
    limit.count_of(&header.shape)?;
    let numbers: Vec<f64> = data.chunks_exact(size).map(decode).collect();
    let shape = IxDyn(&header.shape).set_f(header.is_fortran);
    ArrayD::from_shape_vec(shape, numbers).map_err(|error| error.to_string())
}

/// Decodes an array of text, of types `<U` (UTF-32) and `|S` (bytes); `None` if it is of another type.
///
/// # Errors
/// As [`read`].
pub fn read_text(bytes: &[u8], limit: Limit) -> Result<Option<Vec<String>>, Why> {
    let (header, data) = split(bytes)?;
    let header = parse(header)?;
    let width = |kind: &str| header.descr.strip_prefix(kind)?.parse::<usize>().ok();
    let (size, is_utf_32) = match (width("<U"), width("|S")) {
        (Some(characters), _) => (characters.saturating_mul(4), true),
        (_, Some(size)) => (size, false),
        _ => return Ok(None),
    };
    let count = limit.count_of(&header.shape)?;
    if count.checked_mul(size) != Some(data.len()) || size == 0 {
        return Err("it does not have the length that its header declares".to_string());
    }
    let text = |bytes: &[u8]| {
        let characters = bytes.as_chunks().0.iter().map(|bytes| char::from_u32(u32::from_le_bytes(*bytes)));
        let text = if is_utf_32 { characters.collect() } else { String::from_utf8(bytes.to_vec()).ok() };
        text.map(|text| text.trim_end_matches('\0').to_string()).ok_or_else(|| "a text is not Unicode".to_string())
    };
    data.chunks_exact(size).map(text).collect::<Result<_, _>>().map(Some)
}

/// The header, and the data behind it.
fn split(bytes: &[u8]) -> Result<(&str, &[u8]), Why> {
    const SHORT: &str = "it is cut short: it has no whole header";
    let rest = bytes.strip_prefix(MAGIC).ok_or("it is not an NPY file")?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or(SHORT)?;
    let (length, rest) = match version[0] {
        1 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_le_bytes(*length)), rest)).ok_or(SHORT)?,
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk().ok_or(SHORT)?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        other => return Err(format!("it is of version {other} of the format, and 1 to 3 are read")),
    };
    if length > LONGEST_HEADER {
        return Err(format!("its header has {length} bytes, and no more than {LONGEST_HEADER} are read"));
    }
    let (header, data) = rest.split_at_checked(length).ok_or(SHORT)?;
    Ok((std::str::from_utf8(header).map_err(|_| "its header is not text")?, data))
}

fn parse(header: &str) -> Result<Header<'_>, Why> {
    let damaged = |key: &str| format!("its header has no `{key}` as NumPy writes it");
    // Each key once, so that there is one reading.
    let value = |key: &str| {
        let mut found = ["'", "\""].into_iter().flat_map(|quote| {
            let key = format!("{quote}{key}{quote}");
            header.match_indices(&key).map(|(at, _)| at + key.len()).collect::<Vec<_>>()
        });
        let at = found.next().filter(|_| found.next().is_none())?;
        header[at..].trim_start().strip_prefix(':').map(str::trim_start)
    };
    let descr = value("descr").ok_or_else(|| damaged("descr"))?;
    let quote = descr.chars().next().filter(|&first| first == '\'' || first == '"');
    let descr = match quote {
        Some(quote) => descr[1..].split_once(quote).ok_or_else(|| damaged("descr"))?.0,
        // A record type, as a list.
        None => descr,
    };
    let order = value("fortran_order").ok_or_else(|| damaged("fortran_order"))?;
    let is_fortran = match (order.starts_with("True"), order.starts_with("False")) {
        (false, false) => return Err(damaged("fortran_order")),
        (is_fortran, _) => is_fortran,
    };
    let shape = value("shape").and_then(|shape| shape.strip_prefix('(')?.split_once(')')).ok_or_else(|| damaged("shape"))?.0;
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
    // A size beyond usize is beyond every limit.
    let size = |size: &str| match size.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(size.parse().unwrap_or(usize::MAX)),
        false => Err(damaged("shape")),
    };
    let shape = sizes.map(size).collect::<Result<Vec<usize>, _>>()?;
    Ok(Header { descr, is_fortran, shape })
}

type Decode = fn(&[u8]) -> f64;

/// Bytes of a number, and what turns them into an f64; `None` for types that are not real numbers.
fn decoder(descr: &str) -> Option<(usize, Decode)> {
    /// A decoder of one type in both byte orders.
    macro_rules! of {
        ($type:ty, $is_big:expr) => {
            (
                size_of::<$type>(),
                match $is_big {
                    false => (|bytes| <$type>::from_le_bytes(bytes.try_into().expect("whole numbers")) as f64) as Decode,
                    true => (|bytes| <$type>::from_be_bytes(bytes.try_into().expect("whole numbers")) as f64) as Decode,
                },
            )
        };
    }
    let (order, kind) = descr.split_at_checked(1)?;
    let is_big = match order {
        "<" | "|" | "=" => false,
        ">" => true,
        _ => return None,
    };
    Some(match kind {
        "f8" => of!(f64, is_big),
        "f4" => of!(f32, is_big),
        "f2" if is_big => (2, |bytes| half::f16::from_be_bytes(bytes.try_into().expect("two bytes")).to_f64()),
        "f2" => (2, |bytes| half::f16::from_le_bytes(bytes.try_into().expect("two bytes")).to_f64()),
        "u1" => of!(u8, is_big),
        "i1" => of!(i8, is_big),
        "u2" => of!(u16, is_big),
        "i2" => of!(i16, is_big),
        "u4" => of!(u32, is_big),
        "i4" => of!(i32, is_big),
        "u8" => of!(u64, is_big),
        "i8" => of!(i64, is_big),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use ndarray_npy::WriteNpyExt;

    use super::*;

    fn read(bytes: &[u8]) -> Result<ArrayD<f64>, Why> {
        super::read(bytes, Limit::MOST)
    }

    /// A version 1 file with this header.
    pub fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let length = (header.len() as u16).to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), data].concat()
    }

    #[test]
    fn arrays_of_every_type_and_order_are_read() {
        let mut bytes = Vec::new();
        array![[1.5_f32, -2.0, 0.25], [4.0, 5.0, 6.0]].write_npy(&mut bytes).unwrap();
        assert_eq!(read(&bytes).unwrap(), array![[1.5, -2.0, 0.25], [4.0, 5.0, 6.0]].into_dyn());
        let column_major = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 2), }";
        let data: Vec<u8> = [1_i16, 2, -3, 4].iter().flat_map(|number| number.to_be_bytes()).collect();
        assert_eq!(read(&file(column_major, &data)).unwrap(), array![[1.0, -3.0], [2.0, 4.0]].into_dyn());
        let halves: Vec<u8> = [1.5, -0.1].iter().flat_map(|&x| half::f16::from_f64(x).to_le_bytes()).collect();
        let read = read(&file("{'descr': '<f2', 'fortran_order': False, 'shape': (2,)}", &halves)).unwrap();
        assert!((read[0] - 1.5).abs() < 1e-12 && (read[1] + 0.1).abs() < 1e-4);
    }

    #[test]
    fn texts_are_read() {
        let data: Vec<u8> = "é1\0ab\0".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        let of = |descr: &str, data: &[u8]| {
            read_text(&file(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2,)}}"), data), Limit::MOST)
        };
        assert_eq!(of("<U3", &data).unwrap().unwrap(), ["é1", "ab"]);
        assert_eq!(of("|S2", b"a\0bc").unwrap().unwrap(), ["a", "bc"]);
        assert_eq!(of("<f8", &[0; 16]).unwrap(), None);
        assert!(of("<U3", &data[1..]).is_err() && of("<U0", b"").is_err() && of("<U1", &[0xff; 8]).is_err());
    }

    #[test]
    fn headers_that_declare_too_much_or_twice_are_refused() {
        let why = |shape: &str| {
            read(&file(&format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}"), &[0; 16])).unwrap_err()
        };
        for shape in ["(1152921504606846976,)", "(4294967296, 4294967296)", "(99999999999999999999999,)"] {
            assert!(why(shape).contains("cut short"), "{shape}: {}", why(shape));
        }
        assert!(why("(3,)").contains("cut short"));
        assert!(why("(1,)").contains("8 bytes after"));
        assert!(why("(-2,)").contains("`shape`"));
        assert!(why("(2,), \"shape\": (1,)").contains("`shape`"));
    }

    #[test]
    fn no_prefix_and_no_changed_byte_panics() {
        let mut bytes = Vec::new();
        Array2::<f64>::ones((3, 2)).write_npy(&mut bytes).unwrap();
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                let _ = read(&bytes);
                bytes[at] ^= 1 << bit;
            }
        }
    }
}
