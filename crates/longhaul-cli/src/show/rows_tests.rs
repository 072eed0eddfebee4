//! Rows as they look at 40, 80 and 200 columns.

use super::*;

const STALL: Duration = Duration::from_secs(30);
const MIB: u64 = 1 << 20;
const WIDTHS: [usize; 7] = [20, 39, 40, 79, 80, 120, 200];

fn row(name: &str, through: u64, total: u64) -> Row {
    Row {
        way: Direction::Down,
        name: name.to_owned(),
        through,
        under_way: 0,
        total: Some(total),
        rate: 6 * MIB,
        connections: 5,
        doing: Doing::Moving,
        moved_at: Instant::now(),
    }
}

fn text(row: &Row, columns: usize) -> String {
    row.text(columns, row.moved_at, STALL)
}

fn names() -> Vec<String> {
    let long = "a-very-long-name-of-a-film-that-has-no-end-with-directors-cut.bin";
    let wide = "日本語の長い名前のファイルです、とても長い名前です.tar.gz";
    ["a", long, wide, "[ 5/11] f5.bin", "a\u{1b}[2J\nb"].map(str::to_owned).into()
}

/// Every state of every name in every width.
#[test]
fn no_row_is_wider_than_the_terminal() {
    let now = Instant::now();
    for columns in WIDTHS {
        for name in names() {
            let mut row = row(&name, 7 * MIB, 24 * MIB);
            for (doing, total, way, silent) in [
                (Doing::Moving, Some(24 * MIB), Direction::Down, 0),
                (Doing::Moving, Some(u64::MAX), Direction::Up, 0),
                (Doing::Moving, Some(24 * MIB), Direction::Down, 3600),
                (Doing::Moving, None, Direction::Down, 0),
                (Doing::Moving, None, Direction::Down, 12),
                (Doing::Asking, None, Direction::Down, 0),
                (Doing::Asking, None, Direction::Down, 12),
                (Doing::Reading(MIB), None, Direction::Up, 0),
                (Doing::Waiting(now + STALL), Some(24 * MIB), Direction::Up, 12),
            ] {
                (row.doing, row.total, row.way, row.under_way) = (doing, total, way, 12 * MIB);
                row.moved_at = now.checked_sub(Duration::from_secs(silent)).unwrap_or(now);
                let line = row.text(columns, now, STALL);
                let width = measure_text_width(&line);
                assert!(width <= columns && !line.contains(['\n', '\u{1b}']), "{columns}: {width}: {line:?}");
            }
        }
    }
    assert_eq!(measure_text_width(&overall(&"a".repeat(300), 80)), 80);
}

/// Where the bar begins and ends, and where the percent stands.
#[test]
fn rows_below_each_other_have_the_same_columns() {
    for columns in [40, 80, 200] {
        let mut places = Vec::new();
        for (name, connections, rate) in
            [("a", 1, 0), ("日本語の長い名前のファイルです、とても長い名前です.tar.gz", 64, MIB)]
        {
            let mut row = row(name, 24 * MIB, 24 * MIB);
            (row.connections, row.rate) = (connections, rate);
            let line = text(&row, columns);
            let (before, after) = (line.find('━').unwrap(), line.rfind('━').unwrap());
            places.push((
                measure_text_width(&line[..before]),
                line.matches('━').count(),
                measure_text_width(&line[..line.find("100%").unwrap()]),
            ));
            assert!(after > before);
        }
        assert_eq!(places[0], places[1], "{columns}");
        assert!(places[0].1 >= 8, "a bar of {} columns at {columns}", places[0].1);
    }
}

#[test]
fn a_wider_terminal_shows_more() {
    let row = row("[ 6/11] f6.bin", 7 * MIB, 24 * MIB);
    assert_eq!(text(&row, 40), "[ 6/11…f6.bin ━━        29%          3 s");
    let at_80 = "[ 6/11] f6.bin       ━━━━             29%    7.0 MiB    6.0 MiB/s       3 s left";
    assert_eq!(text(&row, 80), at_80);
    let wide = text(&row, 200);
    for fact in ["7.0 MiB of 24.0 MiB", "29%", "6.0 MiB/s", "3 s left", "5 connections"] {
        assert!(wide.contains(fact), "{wide}");
    }
    let up = Row { way: Direction::Up, under_way: 2 * MIB, ..row };
    assert!(text(&up, 200).contains("2.0 MiB on their way"));
}

#[test]
fn silence_and_waits_are_told_in_place_of_a_rate_of_nothing() {
    let mut row = row("f", 7 * MIB, 24 * MIB);
    let later = |row: &Row, s: u64, columns| row.text(columns, row.moved_at + Duration::from_secs(s), STALL);
    assert!(later(&row, 4, 80).contains("6.0 MiB/s"));
    assert!(later(&row, 9, 80).ends_with("29% nothing came for 9 s; again at 30 s"), "{}", later(&row, 9, 80));
    assert!(later(&row, 9, 40).ends_with("29% 9 s silent"), "{}", later(&row, 9, 40));
    row.doing = Doing::Waiting(row.moved_at + Duration::from_secs(20));
    assert!(later(&row, 9, 80).ends_with("29% tried again in 11 s"), "{}", later(&row, 9, 80));
    (row.doing, row.total) = (Doing::Asking, None);
    assert!(later(&row, 1, 80).ends_with("asking the server"));
    assert!(later(&row, 12, 80).ends_with("nothing came for 12 s; tried again at 30 s"), "{}", later(&row, 12, 80));
    // All is there, and is checked: no byte is waited for.
    (row.doing, row.total) = (Doing::Moving, Some(row.through));
    assert!(later(&row, 60, 80).contains("100%") && !later(&row, 60, 80).contains("nothing came"));
}

#[test]
fn long_names_keep_their_ends() {
    assert_eq!(shortened("a.iso", 20), "a.iso");
    let short = shortened(&format!("{}日本.tar.gz", "x".repeat(100)), 25);
    assert!(measure_text_width(&short) <= 25 && short.starts_with("xxx") && short.ends_with("日本.tar.gz"), "{short}");
    assert_eq!(shortened("a\u{1b}[2J\nb", 20), "a?[2J?b");
}
