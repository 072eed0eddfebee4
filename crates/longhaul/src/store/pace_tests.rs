//! Grants are counted under a clock that only moves when all wait.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{advance, timeout};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Hands on chunks of this size for ever, and counts.
async fn stream(pace: Rates, chunk: usize, count: Arc<std::sync::atomic::AtomicU64>) {
    loop {
        let mut left = chunk;
        while left > 0 {
            let piece = pace.piece_len(left);
            pace.pay(piece).await;
            count.fetch_add(piece as u64, std::sync::atomic::Ordering::Relaxed);
            left -= piece;
        }
    }
}

/// A client and nothing else.
fn alone(pace: &Arc<Pace>) -> Rates {
    Rates::new(Arc::new(Pace::new(0)), &[], pace.clone())
}

/// How many bytes streams with chunks of these sizes hand on in that time.
async fn run(pace: &Arc<Pace>, chunks: &[usize], time: Duration) -> Vec<u64> {
    let streams: Vec<_> = chunks.iter().map(|&chunk| (alone(pace), chunk)).collect();
    run_each(&streams, time).await
}

/// The same of streams that each have a way of their own.
async fn run_each(streams: &[(Rates, usize)], time: Duration) -> Vec<u64> {
    let counts: Vec<_> = streams.iter().map(|_| Arc::default()).collect();
    let mut running = JoinSet::new();
    for ((rates, chunk), count) in streams.iter().zip(&counts) {
        running.spawn(stream(rates.clone(), *chunk, Arc::clone(count)));
    }
    let mut streams = running;
    let _ = timeout(time, async { while streams.join_next().await.is_some() {} }).await;
    counts.iter().map(|c| c.load(std::sync::atomic::Ordering::Relaxed)).collect()
}

fn close(got: u64, want: u64) -> bool {
    got.abs_diff(want) <= want / 20
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_kept_whatever_the_rate_and_the_chunks() {
    for rate in [700, 10_000, 1 << 20, 100 << 20] {
        for chunk in [1_000, 100_000, 3_000_000] {
            let pace = Arc::new(Pace::new(rate));
            let sum: u64 = run(&pace, &[chunk], SECOND * 20).await.iter().sum();
            assert!(close(sum, rate * 20), "{rate}: {sum} in chunks of {chunk}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn streams_get_equal_shares_whatever_they_receive_at_once() {
    let pace = Arc::new(Pace::new(8 << 20));
    let shares = run(&pace, &[8 << 10, 500_000, 64 << 10, 300_000], SECOND * 30).await;
    // Chunks smaller than a piece cost more turns: each turn is worth what was asked for, so compare large ones.
    assert!(shares[1..].iter().all(|&s| close(s, shares[1])), "{shares:?}");
    assert!(shares[0] > 0 && close(shares.iter().sum(), 30 * (8 << 20)), "{shares:?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_rate_counts_at_once_for_those_who_wait() {
    let pace = Arc::new(Pace::new(1));
    let waiting = Arc::clone(&pace);
    let begun = Instant::now();
    let waiting = tokio::spawn(async move { waiting.pay(1_000_000).await });
    advance(SECOND).await;
    assert!(!waiting.is_finished());
    pace.set(1_000_000);
    waiting.await.unwrap();
    assert!(begun.elapsed() <= SECOND * 3, "{:?}", begun.elapsed());

    let pace = Arc::new(Pace::new(1));
    let waiting = Arc::clone(&pace);
    let waiting = tokio::spawn(async move { waiting.pay(1_000_000).await });
    advance(SECOND).await;
    pace.set(0);
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_time_is_not_made_up_for() {
    let pace = Arc::new(Pace::new(1 << 20));
    advance(SECOND * 3600).await;
    let sum: u64 = run(&pace, &[100_000], SECOND).await.iter().sum();
    assert!(sum <= (1 << 20) * 13 / 10, "{sum}");
}

#[tokio::test(start_paused = true)]
async fn who_stops_waiting_takes_nothing_and_holds_up_nobody() {
    let pace = Arc::new(Pace::new(1000));
    assert!(timeout(SECOND, pace.pay(5_000)).await.is_err());
    let begun = Instant::now();
    pace.pay(1_000).await;
    assert!(begun.elapsed() <= SECOND);
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_nobody_waits() {
    let pace = alone(&Arc::new(Pace::new(0)));
    let begun = Instant::now();
    assert_eq!(pace.piece_len(1 << 30), 1 << 30);
    pace.pay(1 << 30).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

const MIB: u64 = 1 << 20;

fn bucket(bytes_per_s: u64) -> Arc<Pace> {
    Arc::new(Pace::new(bytes_per_s))
}

/// A transfer without a limit of its own.
fn way(lanes: &[&Arc<Pace>], client: &Arc<Pace>) -> Rates {
    let lanes: Vec<_> = lanes.iter().map(|&lane| lane.clone()).collect();
    Rates::new(bucket(0), &lanes, client.clone())
}

/// A lane with two transfers, a limited transfer, and one without limits, under one client: each limit holds, and what
/// one leaves is shared by the others.
#[tokio::test(start_paused = true)]
async fn every_limit_on_the_way_holds_and_what_is_left_is_the_others() {
    let (client, lane) = (bucket(10 * MIB), bucket(2 * MIB));
    let own = Rates::new(bucket(MIB), &[], client.clone());
    let streams = [way(&[&lane], &client), way(&[&lane], &client), own, way(&[], &client)];
    let got = run_each(&streams.map(|rates| (rates, 300_000)), SECOND * 30).await;
    for (n, want) in [MIB, MIB, MIB, 7 * MIB].into_iter().enumerate() {
        assert!(close(got[n], want * 30), "{n}: {} of {}", got[n], want * 30);
    }
}

/// Each connection of a client gets the same, whatever limits are further in, as long as those leave it that much.
#[tokio::test(start_paused = true)]
async fn a_wider_limit_is_shared_equally_by_connections_behind_different_limits() {
    for (client, lane) in [(MIB, MIB * 4 / 5), (MIB / 10, 8 * MIB), (40 * MIB, 30 * MIB)] {
        let (client, lane) = (bucket(client), bucket(lane));
        let outside = way(&[], &client);
        let streams = [(way(&[&lane], &client), 300_000), (outside.clone(), 300_000), (outside, 300_000)];
        let got = run_each(&streams, SECOND * 60).await;
        let third = client.limit() * 60 / 3;
        assert!(got.iter().all(|&got| close(got, third)), "{got:?}, not {third} each");
    }
}

#[tokio::test(start_paused = true)]
async fn lanes_lie_in_lanes() {
    let (client, all, one) = (bucket(0), bucket(3 * MIB), bucket(MIB));
    let streams = [(way(&[&one, &all], &client), 100_000), (way(&[&all], &client), 100_000)];
    let got = run_each(&streams, SECOND * 20).await;
    assert!(close(got[0], MIB * 20) && close(got[1], 2 * MIB * 20), "{got:?}");
}

/// Each bucket on the way can be set while streams wait in it.
#[tokio::test(start_paused = true)]
async fn each_limit_is_changed_under_way() {
    for which in 0..3 {
        let buckets = [bucket(0), bucket(0), bucket(0)];
        let rates = Rates::new(buckets[0].clone(), &buckets[1..2], buckets[2].clone());
        buckets[which].set(1);
        let waiting = tokio::spawn({
            let rates = rates.clone();
            async move { rates.pay(1_000_000).await }
        });
        advance(SECOND).await;
        assert!(!waiting.is_finished() && rates.limit() == 1);
        buckets[which].set(0);
        let begun = Instant::now();
        waiting.await.unwrap();
        assert_eq!((begun.elapsed(), rates.limit()), (Duration::ZERO, 0));
        buckets[which].set(MIB);
        let got = run_each(&[(rates, 100_000)], SECOND * 10).await;
        assert!(close(got[0], 10 * MIB), "{which}: {got:?}");
    }
}

/// Who stops while it waits for a wide bucket has paid one piece further in, and no more.
#[tokio::test(start_paused = true)]
async fn who_stops_waiting_costs_its_lane_one_piece() {
    let (client, lane) = (bucket(1), bucket(MIB));
    let rates = way(&[&lane], &client);
    assert!(timeout(SECOND, rates.pay(100_000)).await.is_err());
    client.set(0);
    let begun = Instant::now();
    rates.pay(100_000).await;
    assert!(begun.elapsed() < Duration::from_millis(150), "{:?}", begun.elapsed());
}
