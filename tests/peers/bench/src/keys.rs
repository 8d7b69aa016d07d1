//! Masking keys: the generator of the thread's, seeded by the system.

use std::cell::RefCell;

use chacha20::ChaCha12Rng;
use chacha20::rand_core::{Rng, SeedableRng};

thread_local! {
    static KEYS: RefCell<Option<ChaCha12Rng>> = const { RefCell::new(None) };
}

/// A fresh key.
pub fn fresh() -> Option<[u8; 4]> {
    KEYS.with_borrow_mut(|keys| {
        let generator = match keys {
            Some(generator) => generator,
            empty => {
                let mut seed = [0; 32];
                getrandom::fill(&mut seed).ok()?;
                empty.insert(ChaCha12Rng::from_seed(seed))
            }
        };
        Some(generator.next_u32().to_ne_bytes())
    })
}
