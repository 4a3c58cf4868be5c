//! Wire format of results sent to rank 0, little-endian: u64 group, u64 index, u64 length and the bytes of each, back to back.

use super::Task;

/// Size of the header of a result, in bytes.
pub const HEAD: usize = 24;

/// A message that ends within a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is truncated")]
pub struct Truncated;

/// Appends a result to `message`.
pub fn push(message: &mut Vec<u8>, task: Task, result: &[u8]) {
    for number in [task.group, task.index, result.len()] {
        message.extend((number as u64).to_le_bytes());
    }
    message.extend(result);
}

/// All results of `message`.
pub fn results(mut message: &[u8]) -> Result<Vec<(Task, &[u8])>, Truncated> {
    let mut results = Vec::new();
    while !message.is_empty() {
        let (head, rest) = message.split_at_checked(HEAD).ok_or(Truncated)?;
        let number = |at: usize| u64::from_le_bytes(head[8 * at..][..8].try_into().expect("eight bytes")) as usize;
        let (result, rest) = rest.split_at_checked(number(2)).ok_or(Truncated)?;
        results.push((Task { group: number(0), index: number(1) }, result));
        message = rest;
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_survive_a_message_and_every_truncation_is_an_error() {
        let sent = [
            (Task { group: 3, index: 70_000 }, &b"abc"[..]),
            (Task { group: 0, index: 0 }, b""),
            (Task { group: 1, index: 2 }, b"x"),
        ];
        let mut message = Vec::new();
        let mut ends = vec![0];
        for (task, result) in sent {
            push(&mut message, task, result);
            ends.push(message.len());
        }
        assert_eq!(results(&message).unwrap(), sent);
        for length in 0..message.len() {
            assert_eq!(results(&message[..length]).is_ok(), ends.contains(&length), "{length} bytes");
        }
        message[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(results(&message), Err(Truncated));
    }
}
