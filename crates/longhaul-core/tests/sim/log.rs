//! The journal as a file: appended to, synced, torn. Its frames are the real codec's.

use crate::rng::Rng;

#[derive(Debug, Default, Clone)]
pub(crate) struct Log {
    pub(crate) live: Vec<u8>,
    durable_len: usize,
    /// Bytes of a failed sync: shown, and never to reach the disk.
    lost: Option<(usize, usize)>,
    /// Its promises hold no more: it was discarded, or another program spoiled it or the file that it speaks of.
    pub(crate) void: bool,
}

impl Log {
    /// Where a sync that begins now will have reached.
    pub(crate) fn begin_sync(&self) -> usize {
        self.live.len()
    }

    pub(crate) fn end_sync(&mut self, up_to: usize, ok: bool) {
        if up_to <= self.durable_len {
            return;
        }
        if !ok {
            let (from, to) = self.lost.unwrap_or((self.durable_len, up_to));
            self.lost = Some((from.min(self.durable_len), to.max(up_to)));
        }
        self.durable_len = up_to;
    }

    /// How many bytes a power cut could take.
    pub(crate) fn unsynced(&self) -> usize {
        self.live.len() - self.durable_len
    }

    pub(crate) fn cut(&mut self, len: usize) {
        self.live.truncate(len);
        self.durable_len = self.durable_len.min(len);
        self.lost = self.lost.filter(|&(from, _)| from < len).map(|(from, to)| (from, to.min(len)));
    }

    pub(crate) fn power_cut(&mut self, rng: &mut Rng) {
        if let Some((from, to)) = self.lost.take() {
            self.live[from..to].fill(0);
        }
        let tail = self.live.len() - self.durable_len;
        if tail > 0 {
            let kept = match rng.below(3) {
                0 => 0,
                1 => tail,
                _ => rng.below(tail as u64 + 1) as usize,
            };
            match rng.below(4) {
                // The length reached the disk, the bytes did not.
                0 => self.live[self.durable_len + kept..].fill(0),
                // One byte in the tail is of something else.
                1 => {
                    let at = self.durable_len + rng.below(tail as u64) as usize;
                    self.live[at] ^= 0x55;
                }
                _ => self.live.truncate(self.durable_len + kept),
            }
        }
        self.durable_len = self.live.len();
    }
}

#[test]
fn a_log_keeps_what_was_synced_and_loses_what_a_failed_sync_carried() {
    for seed in 0..100 {
        let mut rng = Rng::new(seed);
        let mut log = Log::default();
        log.live.extend([1; 4]);
        log.end_sync(log.begin_sync(), true);
        log.live.extend([2; 4]);
        log.end_sync(log.begin_sync(), false);
        log.live.extend([3; 4]);
        log.end_sync(log.begin_sync(), true);
        log.live.extend([4; 4]);
        log.power_cut(&mut rng);
        assert_eq!(log.live[..12], [1, 1, 1, 1, 0, 0, 0, 0, 3, 3, 3, 3]);
    }
}
