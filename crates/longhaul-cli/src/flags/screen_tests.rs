//! Help as it looks in a terminal of 80 columns.

use super::*;

/// A screen has 24 lines; what is a little longer is still read.
const LINES_MAX: usize = 27;

fn at(command: Command, columns: usize) -> String {
    command.term_width(columns).max_term_width(columns).render_help().to_string()
}

fn verbs() -> Vec<String> {
    Words::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

#[test]
fn the_short_help_of_each_command_fits_a_screen() {
    for verb in verbs() {
        let text = at(short_command(&verb).unwrap(), 80);
        let widest = text.lines().map(console::measure_text_width).max().unwrap();
        assert!(widest <= 80, "{verb} -h is {widest} columns wide:\n{text}");
        assert!(text.lines().count() <= LINES_MAX, "{verb} -h has {} lines:\n{text}", text.lines().count());
    }
}

#[test]
fn the_first_page_names_each_command_in_a_line() {
    let text = at(Words::command(), 80);
    for line in text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty()) {
        assert!(verbs().iter().any(|verb| line.starts_with(&format!("  {verb} "))), "{line:?} is a second line");
    }
    assert!(text.lines().count() <= 64, "{text}");
}

#[test]
fn the_wanted_flags_stand_in_a_line_each() {
    for screen in &SCREENS {
        let command = short_command(screen.verb).unwrap();
        let known: Vec<&str> = command.get_arguments().filter_map(Arg::get_long).collect();
        let text = at(command.clone(), 80);
        let mut lines = text.lines().skip_while(|line| !line.is_empty()).skip(1);
        for (flag, help) in screen.flags {
            assert!(known.contains(flag), "{} has no --{flag}", screen.verb);
            let line = lines.next().unwrap();
            assert!(line.contains(&format!("--{flag}")) && line.contains(help), "--{flag}:\n{text}");
        }
        assert_eq!(lines.next(), Some(""), "{text}");
        assert!(text.contains("Examples:") && text.contains(&format!("`longhaul {} --help`", screen.verb)), "{text}");
    }
}

#[test]
fn the_long_help_has_every_flag_and_the_wanted_groups_first() {
    for verb in verbs() {
        let command = command(&verb).unwrap();
        let text = at(command.clone(), 80);
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            let name = arg.get_long().map_or_else(|| arg.get_id().to_string(), |long| format!("--{long}"));
            assert!(text.contains(&name) || arg.is_positional(), "{verb} --help lacks {name}:\n{text}");
        }
        for line in text.lines() {
            let is_example = line.contains("longhaul ") || line.contains("--fault");
            assert!(console::measure_text_width(line) <= 80 || is_example, "{verb} --help: {line:?}");
        }
    }
    for verb in ["get", "put"] {
        let text = at(command(verb).unwrap(), 80);
        assert!(!text.contains("\nOptions:"), "a flag of {verb} stands alone:\n{text}");
    }
    let get = at(command("get").unwrap(), 80);
    let place = |heading: &str| get.find(&format!("\n{heading}:\n")).unwrap_or_else(|| panic!("{heading}\n{get}"));
    let headings = [
        "Where to",
        "Speed",
        "What is fetched",
        "What is right",
        "Credentials and headers",
        "What is shown",
        "Network",
        "General",
    ];
    assert!(headings.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "{get}");
    let put = at(command("put").unwrap(), 80);
    assert!(put.find("\nSpeed:").unwrap() < put.find("\nThe object:").unwrap(), "{put}");
}
