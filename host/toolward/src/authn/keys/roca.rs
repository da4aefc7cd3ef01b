//! Was an RSA key made by the chips whose keys can be factored? (CVE-2017-15361)

/// Whether the modulus has their fingerprint: modulo each of these primes, it is a power of 65537. Of other keys,
/// one in some hundred million has it.
pub(super) fn is_weak(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| is_power(GENERATOR, remainder(modulus, *prime), *prime))
}

/// `prime` is small enough that nothing here overflows.
fn remainder(number: &[u8], prime: u32) -> u32 {
    number.iter().fold(0_u32, |rest, byte| {
        let next = rest.wrapping_shl(8).wrapping_add(u32::from(*byte));
        next.checked_rem(prime).unwrap_or_default()
    })
}

fn is_power(base: u32, wanted: u32, prime: u32) -> bool {
    let mut power = 1_u32;
    for _ in 0..prime {
        if power == wanted {
            return true;
        }
        power = power.wrapping_mul(base.checked_rem(prime).unwrap_or_default());
        power = power.checked_rem(prime).unwrap_or_default();
    }
    false
}

const GENERATOR: u32 = 65537;
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that are powers of 65537 everywhere, and their neighbours.
    #[test]
    fn a_power_of_the_generator_has_the_fingerprint_and_its_neighbours_have_not() {
        for (number, is) in [
            (65537_u64 * 65537, true),
            (65537, true),
            (65538, false),
            (65536, false),
            (1, true),
            (2, false),
        ] {
            assert_eq!(is_weak(&number.to_be_bytes()), is, "{number}");
        }
    }

    #[test]
    fn a_remainder_is_the_one_of_the_whole_number() {
        for number in [0_u64, 1, 255, 256, 65_537, u64::MAX] {
            for prime in PRIMES {
                assert_eq!(
                    u64::from(remainder(&number.to_be_bytes(), prime)),
                    number % u64::from(prime)
                );
            }
        }
    }
}
