//! Where masking keys and nonces come from.

use std::cell::RefCell;

use chacha20::ChaCha12Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use sockeye::websocket::MaskSource;

/// Masking keys from a generator of this thread, which the operating system
/// seeds and seeds anew after 65 536 keys.
///
/// RFC 6455 section 5.3: "The masking key needs to be unpredictable; thus, the
/// masking key MUST be derived from a strong source of entropy". Where the
/// operating system has none to give there is no key, and the connection ends.
pub fn mask_keys() -> MaskSource {
    MaskSource::from_fn(|| {
        let key = KEYS.try_with(|keys| keys.try_borrow_mut().ok()?.key(system_seed));
        key.ok().flatten()
    })
}

/// The nonce of a handshake: RFC 6455 section 4.1 wants it "selected randomly
/// for each connection".
pub(crate) fn nonce() -> Option<[u8; 16]> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).ok()?;
    Some(nonce)
}

thread_local! {
    static KEYS: RefCell<Keys> = const { RefCell::new(Keys { generator: None, left: 0 }) };
}

/// A generator, and how many keys it may still give.
struct Keys {
    generator: Option<ChaCha12Rng>,
    left: u32,
}

const KEYS_PER_SEED: u32 = 65_536;

impl Keys {
    fn key(&mut self, seed: fn() -> Option<[u8; 32]>) -> Option<[u8; 4]> {
        if self.left == 0 {
            self.generator = None;
        }
        let generator = match &mut self.generator {
            Some(generator) => generator,
            empty => {
                let generator = ChaCha12Rng::from_seed(seed()?);
                self.left = KEYS_PER_SEED;
                empty.insert(generator)
            }
        };
        self.left -= 1;
        Some(generator.next_u32().to_ne_bytes())
    }
}

fn system_seed() -> Option<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).ok()?;
    Some(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ() {
        let mut keys = Keys {
            generator: None,
            left: 0,
        };
        let drawn: std::collections::HashSet<_> =
            (0..1000).map(|_| keys.key(system_seed)).collect();
        // Two of 1000 keys are equal once in 8600 runs; three pairs never.
        assert!(drawn.len() > 997);
    }

    #[test]
    fn no_entropy_no_key() {
        let mut keys = Keys {
            generator: None,
            left: 0,
        };
        assert_eq!(keys.key(|| None), None);
        assert!(keys.key(|| Some([7; 32])).is_some());
    }

    #[test]
    fn a_seed_lasts_for_65536_keys() {
        let mut keys = Keys {
            generator: None,
            left: 0,
        };
        for _ in 0..KEYS_PER_SEED {
            assert!(keys.key(|| Some([7; 32])).is_some());
        }
        assert_eq!(keys.key(|| None), None);
    }
}
