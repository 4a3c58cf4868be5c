//! f32 numbers in parts of 8 significant bits (bf16): a weight of 16 bits in two, a vector's number in three.
//!
//! Parts below a threshold count as 0, so that hardware that flushes denormals computes the same bits as hardware that does not. A part of a weight is
//! 0 or at least 2⁻⁵⁰, hence a multiple of 2⁻⁵⁷; a part of a vector's number is 0 or at least 2⁻⁶², hence a multiple of 2⁻⁶⁹. So a product of two parts
//! is a multiple of 2⁻¹²⁶, and so is every sum of such products, rounded to f32 or not: it is 0 or a normal number.

/// Smallest part of a weight.
pub const LEAST_WEIGHT: f32 = f32::from_bits((127 - 50) << 23);
/// Smallest part of a vector's number.
pub const LEAST_NUMBER: f32 = f32::from_bits((127 - 62) << 23);

/// Bits of an f32 that a bf16 keeps.
const HIGH: u32 = 0xffff_0000;

/// A weight of 16 significant bits: the bf16 nearest to it in the upper half of the word, the rest, a bf16 too, in the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Bf16Pair(u32);

impl Bf16Pair {
    /// `value`, which is finite, rounded to 16 significant bits, ties to even. Parts below [`LEAST_WEIGHT`] are 0.
    #[inline(always)]
    pub fn rounded(value: f32) -> Self {
        let value = nearest::<8>(value);
        let high = part(value, LEAST_WEIGHT);
        let low = part(value - high, LEAST_WEIGHT);
        Self(high.to_bits() | low.to_bits() >> 16)
    }

    /// The bf16 nearest to the weight.
    #[inline(always)]
    pub fn high(self) -> f32 {
        f32::from_bits(self.0 & HIGH)
    }

    /// The rest.
    #[inline(always)]
    pub fn low(self) -> f32 {
        f32::from_bits(self.0 << 16)
    }

    /// The weight, exactly.
    #[inline(always)]
    pub fn sum(self) -> f32 {
        self.high() + self.low()
    }
}

/// x₁, x₂, x₃: bf16 numbers whose sum is `x`, but for parts below [`LEAST_NUMBER`], which are 0. If `x` is not finite, or rounds to infinity in 8 bits,
/// not all of them are finite.
#[inline(always)]
pub fn three_parts(x: f32) -> [f32; 3] {
    let first = part(x, LEAST_NUMBER);
    let rest = x - first;
    let second = part(rest, LEAST_NUMBER);
    [first, second, part(rest - second, LEAST_NUMBER)]
}

/// The bf16 nearest to `x`, ties to even; 0 if below `least`. NaN stays NaN.
#[inline(always)]
fn part(x: f32, least: f32) -> f32 {
    let rounded = nearest::<16>(x);
    let rounded = if rounded.abs() < least { 0.0 } else { rounded };
    if x.is_nan() { f32::NAN } else { rounded }
}

/// `x` without its last `BITS` bits, rounded to nearest, ties to even. NaN becomes anything.
#[inline(always)]
fn nearest<const BITS: u32>(x: f32) -> f32 {
    let bits = x.to_bits();
    let half = (1 << (BITS - 1)) - 1;
    let odd = bits >> BITS & 1;
    f32::from_bits(bits.wrapping_add(half + odd) & (u32::MAX << BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `x` rounded to `digits` significant bits, ties to even, in f64 arithmetic.
    fn rounded(x: f64, digits: i32) -> f64 {
        if x == 0.0 || !x.is_finite() {
            return x;
        }
        let unit = 2_f64.powi(x.abs().log2().floor() as i32 + 1 - digits);
        (x / unit).round_ties_even() * unit
    }

    /// Numbers of every exponent and of all patterns of the bits that decide a rounding.
    fn numbers() -> impl Iterator<Item = f32> {
        let mantissas = (0..1 << 7).flat_map(|pattern: u32| {
            let spread = |bits: u32| bits & 1 | (bits >> 1 & 3) << 7 | (bits >> 3 & 3) << 15 | (bits >> 5 & 3) << 21;
            [spread(pattern), spread(pattern) ^ 0x007f_ffff, pattern.wrapping_mul(0x9e37_79b9) >> 9]
        });
        mantissas.flat_map(|mantissa| {
            (0..255_u32).flat_map(move |exponent| [0, 1 << 31].map(|sign| f32::from_bits(sign | exponent << 23 | mantissa)))
        })
    }

    #[test]
    fn a_pair_is_the_weight_rounded_to_16_bits() {
        for x in numbers().filter(|x| x.abs() < 1e38) {
            let pair = Bf16Pair::rounded(x);
            let exact = rounded(f64::from(x), 16);
            let high = rounded(exact, 8);
            let kept = |part: f64| if part.abs() < f64::from(LEAST_WEIGHT) { 0.0 } else { part };
            assert_eq!(f64::from(pair.high()), kept(high), "{x:e}");
            if kept(high) != 0.0 {
                assert_eq!(f64::from(pair.low()), kept(exact - high), "{x:e}");
                let all = if (exact - high).abs() < f64::from(LEAST_WEIGHT) { high } else { exact };
                assert_eq!(f64::from(pair.sum()), all, "{x:e}");
            }
            assert_eq!(Bf16Pair::rounded(pair.sum()), pair, "rounding again changes nothing: {x:e}");
        }
    }

    #[test]
    fn three_parts_are_the_number() {
        for x in numbers() {
            let parts = three_parts(x);
            assert!(parts.iter().all(|part| part.to_bits() & !HIGH == 0 || part.is_nan()), "{x:e}");
            if x.abs().to_bits() >= 0x7f7f_8000 {
                assert!(parts.iter().any(|part| !part.is_finite()), "{x:e}");
                continue;
            }
            let sum: f64 = parts.iter().map(|&part| f64::from(part)).sum();
            let lost = (sum - f64::from(x)).abs();
            // Exact where no part is below the threshold.
            let is_exact = x == 0.0 || x.abs() > LEAST_NUMBER * 2_f32.powi(24);
            assert!(lost == 0.0 || (!is_exact && lost < f64::from(LEAST_NUMBER)), "{x:e} lost {lost:e}");
            assert!(parts.iter().all(|&part| part == 0.0 || part.abs() >= LEAST_NUMBER));
        }
        for x in [f32::NAN, -f32::NAN, f32::from_bits(0x7f80_0001), f32::from_bits(0xffff_ffff), f32::INFINITY, f32::NEG_INFINITY] {
            assert!(three_parts(x).iter().any(|part| !part.is_finite()));
            assert!(three_parts(x).iter().sum::<f32>().is_nan());
        }
    }

    /// The argument of the module header: with the smallest parts, no product and no sum of products is denormal.
    #[test]
    fn products_of_the_smallest_parts_are_multiples_of_the_smallest_normal() {
        let unit = f64::from(f32::MIN_POSITIVE);
        // Both smallest exponents, odd mantissas.
        for (a, b) in (0..128_u32).flat_map(|a| (0..128_u32).map(move |b| (a, b))) {
            let weight = f32::from_bits(LEAST_WEIGHT.to_bits() | a << 16);
            let number = f32::from_bits(LEAST_NUMBER.to_bits() | b << 16);
            assert_eq!((f64::from(weight) * f64::from(number) / unit).fract(), 0.0);
        }
    }
}
