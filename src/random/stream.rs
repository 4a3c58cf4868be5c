//! Stream keys and the generator states hashed from them.
//!
//! A key is the tuple (master seed, L, d, k, network, role, block). If hidden layers differ in width, k is the widest and k_1 … k_L follow the
//! network. The fields are absorbed by two SplitMix64-style chains with different constants, giving 128 bits: among 10⁹ streams the probability of any
//! collision is below 2·10⁻²¹.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use super::Space;
use crate::kernels::gaussian::{LANES, Lanes};
use crate::model::Cell;

/// The use of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Weights of a layer (1-based); the block is a block of rows.
    Weights { layer: usize },
    /// Readout weights; the block is a block of neurons.
    Readout,
    /// Inputs; the block is the index of the input.
    Input,
    /// The independent part of the product of a layer's matrix (1-based), or of its transpose, with a direction; the block is a chunk of
    /// entries.
    Image { layer: usize, transposed: bool, direction: usize },
    /// First-layer weights along directions of a subspace; for the block see [`Space`].
    Along { space: Space },
    /// Random choices of an audit; the block is their purpose.
    Audit,
    /// One input at infinite width; the block is the index of the input.
    Path,
    /// A random step direction; the block is the index of the input.
    Direction,
}

impl Role {
    fn code(self) -> u64 {
        match self {
            Role::Readout => 1,
            Role::Input => 2,
            Role::Path => 4,
            Role::Direction => 5,
            Role::Along { space } => 6 + space as u64,
            Role::Audit => 16,
            Role::Weights { layer } => 1 << 32 | layer as u64,
            Role::Image { layer, transposed, direction } => {
                (2 + u64::from(transposed)) << 62 | (direction as u64) << 16 | layer as u64
            }
        }
    }
}

/// The key prefix shared by all streams of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NetworkKey(Hash);

impl NetworkKey {
    pub fn new(seed: u64, cell: Cell, network: usize) -> Self {
        let fields = [seed, cell.depth as u64, cell.dim as u64, cell.width as u64, network as u64];
        let key = fields.into_iter().fold(Hash::EMPTY, Hash::with);
        if !cell.has_differing_layers() {
            return Self(key);
        }
        Self(cell.widths().fold(key, |key, width| key.with(width as u64)))
    }

    /// The stream of `role` and `block`.
    pub fn stream(self, role: Role, block: usize) -> Stream {
        Stream(self.0.with(role.code()).with(block as u64))
    }
}

/// One stream: a hashed key that seeds generators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stream(Hash);

impl Stream {
    /// The hashed key, unique to the stream.
    pub fn id(self) -> u128 {
        let Hash(a, b) = self.0;
        u128::from(a) << 64 | u128::from(b)
    }

    /// The generators of a Gaussian fill, one per lane.
    pub fn lanes(self) -> Lanes {
        let mut words = [[0; LANES]; 4];
        for lane in 0..LANES {
            for (row, word) in words.iter_mut().zip(self.state(lane)) {
                row[lane] = word;
            }
        }
        Lanes::new(words)
    }

    /// A scalar generator with the state of lane 0.
    pub fn generator(self) -> Xoshiro256PlusPlus {
        let mut seed = [0; 32];
        for (bytes, word) in seed.chunks_exact_mut(8).zip(self.state(0)) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Xoshiro256PlusPlus::from_seed(seed)
    }

    /// The state of lane `lane`. All zeros, which xoshiro forbids, has probability 2⁻²⁵⁶.
    fn state(self, lane: usize) -> [u64; 4] {
        let Hash(a, b) = self.0;
        std::array::from_fn(|word| {
            let counter = (4 * lane + word + 1) as u64;
            mix(a.wrapping_add(counter.wrapping_mul(GOLDEN))) ^ mix(b.wrapping_add(counter.wrapping_mul(SILVER))).rotate_left(32)
        })
    }
}

/// Increment of SplitMix64: 2⁶⁴/φ, odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// A second odd increment: 2⁶⁴·(√2 − 1), odd.
const SILVER: u64 = 0x6a09_e667_f3bc_c909;

/// Two 64-bit chains over the fields of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Hash(u64, u64);

impl Hash {
    const EMPTY: Hash = Hash(0, 0);

    /// Absorbs `field`.
    fn with(self, field: u64) -> Hash {
        let Hash(a, b) = self;
        Hash(mix(a.wrapping_add(GOLDEN) ^ mix(field)), mix(b.wrapping_add(SILVER) ^ mix(field.wrapping_add(SILVER))))
    }
}

/// The finaliser of SplitMix64 (Steele, Lea & Flood 2014; variant 13 of Stafford), a bijection.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
