//! Hot loops with run-time SIMD dispatch. Instruction sets are named nowhere else.
//!
//! Results are bitwise the same at every [`SimdLevel`]. Most kernels are plain Rust over fixed-size lane arrays, compiled once per level: IEEE
//! +, −, ×, ÷ and √ in a fixed order, no FMA. [`gemm`], [`line`](mod@line) and the readout in [`masks`] are written with intrinsics; `gemm` always uses
//! FMA, the others never do. So x86-64 and Arm compute the same bits.
//!
//! A weight matrix holds numbers or bf16 pairs ([`Weight`]); pairs are multiplied by [`gemm::split`], which uses AMX tiles where they are, with the same
//! bits.
//!
//! Module headers give throughput as portable / AVX2 / AVX-512, printed by `cargo bench --bench kernels` on one core of an AMD EPYC (Zen 5); the AVX2
//! figures of `gaussian`, `gemm` and `masks` predate their present, faster form. The
//! portable `gemm` emulates FMA: it is for tests, and for processors without, on which it is slow. On aarch64 the compiler vectorises the portable kernels with NEON.

pub mod activation;
pub mod bf16;
pub mod gaussian;
pub mod gemm;
pub mod line;
pub mod masks;
pub mod linear_piece;
pub mod norm;
pub mod real;
pub mod relu;
mod vector;
pub mod weight;

use std::cell::Cell;
use std::sync::OnceLock;

pub use bf16::Bf16Pair;
pub use real::Real;
pub use weight::Weight;

/// An instruction set a kernel is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimdLevel {
    Portable,
    Avx2,
    Avx512,
    /// 128-bit vectors of 64-bit Arm.
    Neon,
}

impl SimdLevel {
    pub const ALL: [SimdLevel; 4] = [SimdLevel::Portable, SimdLevel::Avx2, SimdLevel::Avx512, SimdLevel::Neon];

    /// The highest level that this CPU supports.
    pub fn best() -> SimdLevel {
        static BEST: OnceLock<SimdLevel> = OnceLock::new();
        *BEST.get_or_init(|| Self::ALL.into_iter().rfind(|level| level.is_available()).unwrap_or(SimdLevel::Portable))
    }

    /// Whether this CPU has the instructions.
    #[cfg(target_arch = "x86_64")]
    pub fn is_available(self) -> bool {
        match self {
            SimdLevel::Portable => true,
            SimdLevel::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            SimdLevel::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("fma")
            }
            SimdLevel::Neon => false,
        }
    }

    /// Whether this CPU has the instructions; NEON is part of every aarch64.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn is_available(self) -> bool {
        self == SimdLevel::Portable || self == SimdLevel::Neon && cfg!(target_arch = "aarch64")
    }
}

thread_local! {
    static CHOSEN: Cell<Option<SimdLevel>> = const { Cell::new(None) };
}

/// Runs `work` with this thread's kernels at `level`. For tests and benchmarks; everything else runs at [`SimdLevel::best`].
///
/// # Panics
/// If the CPU lacks the level.
pub fn at_level<R>(level: SimdLevel, work: impl FnOnce() -> R) -> R {
    assert!(level.is_available(), "this processor has no {level:?}");
    struct Restore(Option<SimdLevel>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CHOSEN.set(self.0);
        }
    }
    let _restore = Restore(CHOSEN.replace(Some(level)));
    work()
}

/// Whether this thread is inside [`at_level`].
fn is_at_chosen_level() -> bool {
    CHOSEN.get().is_some()
}

/// This thread's level; always available.
#[inline]
fn level() -> SimdLevel {
    CHOSEN.get().unwrap_or_else(SimdLevel::best)
}

/// Compiles a kernel body for every [`SimdLevel`] and calls the version for this thread's level. NEON needs no version of its own: the portable one
/// has it.
///
/// `dispatch!(body [Generic: Bound] (name: Type, …) -> Result, values…)`; `body` must be `#[inline(always)]`.
macro_rules! dispatch {
    ($body:path [$($generic:ident : $bound:path)?] ( $($argument:ident : $type:ty),* ) $(-> $result:ty)?,
     $($value:expr),*) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
        fn avx512<$($generic: $bound)?>($($argument: $type),*) $(-> $result)? {
            $body($($argument),*)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2")]
        fn avx2<$($generic: $bound)?>($($argument: $type),*) $(-> $result)? {
            $body($($argument),*)
        }
        match $crate::kernels::level() {
            // SAFETY: the level is available.
            #[cfg(target_arch = "x86_64")]
            $crate::kernels::SimdLevel::Avx512 => unsafe { avx512($($value),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::kernels::SimdLevel::Avx2 => unsafe { avx2($($value),*) },
            _ => $body($($value),*),
        }
    }};
}
pub(crate) use dispatch;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_restores_the_level() {
        let before = CHOSEN.get();
        std::panic::catch_unwind(|| at_level(SimdLevel::Portable, || panic!("on purpose"))).unwrap_err();
        assert_eq!(CHOSEN.get(), before);
    }
}
