//! The fletcher-4 checksum over 32-bit words.

/// A running checksum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fletcher4(pub [u64; 4]);

impl Fletcher4 {
    /// Adds data whose length is a multiple of four; `swap` for data of the other byte order.
    pub fn update(&mut self, data: &[u8], swap: bool) {
        if swap {
            self.add(data, |word| u32::from_le_bytes(word).swap_bytes());
        } else {
            self.add(data, u32::from_le_bytes);
        }
    }

    fn add(&mut self, data: &[u8], word: impl Fn([u8; 4]) -> u32) {
        let [mut a, mut b, mut c, mut d] = self.0;
        let (words, _) = data.as_chunks::<4>();
        for w in words {
            a = a.wrapping_add(u64::from(word(*w)));
            b = b.wrapping_add(a);
            c = c.wrapping_add(b);
            d = d.wrapping_add(c);
        }
        self.0 = [a, b, c, d];
    }

    pub fn is_zero(self) -> bool {
        self.0 == [0; 4]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums() {
        let mut sum = Fletcher4::default();
        sum.update(&[1, 0, 0, 0, 2, 0, 0, 0], false);
        assert_eq!(sum.0, [3, 4, 5, 6]);
        let mut swapped = Fletcher4::default();
        swapped.update(&[0, 0, 0, 1, 0, 0, 0, 2], true);
        assert_eq!(swapped, sum);
    }
}
