//! Buffers cached between networks: contents are preserved, `calloc` memory is zero, and the cache never exceeds the peak use. A single test, because it
//! reads the memory use of its process.

use std::hint::black_box;

use advstep_hpc::machine::allocator::KeepLarge;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

const MIB: usize = 1 << 20;

/// RSS of this process in bytes.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// An array of `bytes`, all of them touched.
fn touched(bytes: usize) -> Vec<u8> {
    let mut array = Vec::with_capacity(bytes);
    array.resize(bytes, 7);
    black_box(array)
}

fn a_thread_keeps_what_it_frees_and_no_more_than_it_used() {
    let before = resident();
    let near = |bytes: usize| {
        let now = resident().saturating_sub(before);
        assert!(now.abs_diff(bytes) < 24 * MIB, "{} MiB resident, {} expected", now / MIB, bytes / MIB);
    };
    let keeps = KeepLarge::new();
    let (a, b) = (touched(100 * MIB), touched(60 * MIB));
    near(160 * MIB);
    drop((a, b));
    near(160 * MIB);
    // Reuse: the smaller request shrinks a cached buffer, and both together reach the limit again.
    let (c, d) = (touched(50 * MIB), touched(110 * MIB));
    near(160 * MIB);
    drop(d);
    near(160 * MIB);
    let e = black_box(vec![0_u8; 40 * MIB]);
    assert!(e.iter().all(|byte| *byte == 0), "what is kept was written before");
    drop((c, e));
    keeps.give_back();
    near(0);
    drop(touched(80 * MIB));
    near(80 * MIB);
    drop(keeps);
    near(0);
    drop(touched(80 * MIB));
    near(0);
    // Buffers may be freed by another thread than the one that allocated them.
    let keeps = KeepLarge::new();
    drop(std::thread::spawn(|| touched(70 * MIB)).join().unwrap());
    near(0);
    let array = touched(70 * MIB);
    std::thread::spawn(move || drop(array)).join().unwrap();
    near(0);
    drop(keeps);
}

/// Buffers grown, shrunk, created and freed in random order keep their contents; new ones are zero.
fn arrays_keep_their_contents_in_any_order() {
    let _keeps = KeepLarge::new();
    let mut generator = SplitMix64::seed_from_u64(5);
    let mut arrays: Vec<(u64, Vec<u64>)> = Vec::new();
    let check = |(tag, array): &(u64, Vec<u64>)| {
        assert!(array.iter().step_by(509).chain(array.last()).all(|number| number == tag));
    };
    for tag in 1..200 {
        // 16 to 63 MiB: below and above the caching threshold.
        let len = (16 + generator.next_u64() as usize % 48) * MIB / 8;
        match generator.next_u64() % 4 {
            0 | 1 if arrays.len() < 6 => {
                let mut array = vec![0_u64; len];
                assert!(array.iter().step_by(511).chain(array.last()).all(|number| *number == 0));
                array.fill(tag);
                arrays.push((tag, array));
            }
            2 if !arrays.is_empty() => {
                let at = generator.next_u64() as usize % arrays.len();
                let (tag, array) = &mut arrays[at];
                array.resize(len, *tag);
                array.shrink_to_fit();
                check(&arrays[at]);
            }
            _ if !arrays.is_empty() => check(&arrays.swap_remove(generator.next_u64() as usize % arrays.len())),
            _ => {}
        }
    }
    arrays.iter().for_each(check);
}

#[test]
fn large_arrays_stay_with_their_thread() {
    a_thread_keeps_what_it_frees_and_no_more_than_it_used();
    arrays_keep_their_contents_in_any_order();
}
