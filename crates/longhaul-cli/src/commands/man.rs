//! `longhaul man [COMMAND]`: the manual pages, made from the same definitions as `--help`.

use clap::CommandFactory as _;

use crate::exit::{Exit, Failure};
use crate::flags::Words;
use crate::out;

pub(crate) fn run(command: Option<&str>) -> Result<Exit, Failure> {
    let mut words = Words::command();
    words.build();
    let page = match command {
        None => words,
        Some(name) => {
            let found = words.find_subcommand(name).cloned();
            found.ok_or_else(|| Failure::usage(format!("man: there is no command {name:?}")))?
        }
    };
    let more = page.get_after_long_help().or_else(|| page.get_after_help()).map(ToString::to_string);
    let mut roff = Vec::new();
    // What follows the help is set as it stands: clap_mangen would fill its lines.
    let rendered = clap_mangen::Man::new(page.after_help("").after_long_help("")).render(&mut roff);
    rendered.map_err(|e| Failure::internal(format!("man: {e}")))?;
    let mut text = String::from_utf8_lossy(&roff).replace(".SH EXTRA\n", "");
    text += &sections(&more.unwrap_or_default());
    out::stdout(&text)?;
    Ok(Exit::Done)
}

/// A text of examples and more as sections of a manual page: a line that ends with a colon and is not indented begins one,
/// and lines stay as they are (`.nf`, groff_man(7)).
fn sections(text: &str) -> String {
    let mut roff = String::new();
    let mut open = false;
    for line in text.lines() {
        match line.strip_suffix(':').filter(|heading| !heading.starts_with(' ')) {
            Some(heading) => {
                let end = if open { ".fi\n" } else { "" };
                roff += &format!("{end}.SH {}\n.nf\n", heading.to_uppercase());
                open = true;
            }
            None => {
                // A dot or a quote at the beginning of a line would be a request.
                let escaped = line.replace('\\', "\\\\").replace('-', "\\-");
                let guard = if escaped.starts_with(['.', '\'']) { "\\&" } else { "" };
                roff += &format!("{guard}{escaped}\n");
            }
        }
    }
    roff + if open { ".fi\n" } else { "" }
}

#[cfg(test)]
mod tests {
    #[test]
    fn examples_are_a_section_whose_lines_stay() {
        let roff = super::sections("Examples:\n  longhaul get -x 4 \\\n.b\n\nFiles:\n  one\n");
        let want = ".SH EXAMPLES\n.nf\n  longhaul get \\-x 4 \\\\\n\\&.b\n\n.fi\n.SH FILES\n.nf\n  one\n.fi\n";
        assert_eq!(roff, want);
    }
}
