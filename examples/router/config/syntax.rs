//! Where a text that is no TOML is wrong: the field, as far as the lines before tell.
//!
//! There is no document to ask, so the lines are looked at one by one for what begins a table or a field. A text of several lines that
//! looks like either misleads it; the line number is right all the same.

/// The whole name of the field that byte `at` of `source` belongs to; of its table, if that is all that can be told; empty outside of
/// all of them.
pub(super) fn field_at(source: &str, at: usize) -> String {
    let (mut table, mut field) = (String::new(), "");
    // Lists of tables, and how many tables each has.
    let mut lists: Vec<(&str, usize)> = Vec::new();
    let mut begin = 0;
    // Brackets of lists that are open.
    let mut open = 0;
    for line in source.split_inclusive('\n') {
        let text = line.trim();
        if let Some(name) = text.strip_prefix("[[").and_then(header) {
            match lists.iter_mut().find(|(list, _)| *list == name) {
                Some((_, tables)) => *tables += 1,
                None => lists.push((name, 1)),
            }
            (table, field, open) = (numbered(name, &lists), "", 0);
        } else if let Some(name) = text.strip_prefix('[').and_then(header) {
            (table, field, open) = (numbered(name, &lists), "", 0);
        }
        begin += line.len();
        let is_last = at < begin || begin == source.len();
        let name = key(text);
        let is_named = text[name.len()..].trim_start().starts_with('=');
        let is_begun = is_last && open == 0 && !name.starts_with(['"', '\'']);
        if !name.is_empty() && (is_named || is_begun) {
            field = name;
        }
        if is_last {
            break;
        }
        if !field.is_empty() {
            open += text.matches('[').count();
            open = open.saturating_sub(text.matches(']').count());
        }
    }
    match (table.is_empty(), field.is_empty()) {
        (_, true) => table,
        (true, false) => field.to_owned(),
        (false, false) => format!("{table}.{field}"),
    }
}

/// The name in a header of a table, after its bracket. The closing bracket may be what is missing; anything else is a value.
fn header(text: &str) -> Option<&str> {
    let (name, rest) = text.split_once(']').unwrap_or((text, ""));
    let rest = rest.trim_start_matches([']', ' ', '\t']);
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !name.contains(['[', '{', ',', '='])
        && (rest.is_empty() || rest.starts_with('#'));
    is_name.then_some(name)
}

/// The key at the beginning of `text`, dotted or in quotes.
fn key(text: &str) -> &str {
    let is_in_key =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | '\'');
    &text[..text.find(|c| !is_in_key(c)).unwrap_or(text.len())]
}

/// `rules.add` as `rules[1].add`, if `rules` is a list of two tables so far.
fn numbered(name: &str, lists: &[(&str, usize)]) -> String {
    let of_list = lists.iter().find_map(|(list, tables)| {
        let rest = name.strip_prefix(list)?;
        (rest.is_empty() || rest.starts_with('.')).then(|| format!("{list}[{}]{rest}", tables - 1))
    });
    of_list.unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::field_at;

    /// The field at the `~` in `source`.
    fn found(source: &str) -> String {
        field_at(&source.replace('~', ""), source.find('~').unwrap())
    }

    #[test]
    fn the_field_is_named_with_its_table() {
        assert_eq!(found("workers = ~x\n"), "workers");
        assert_eq!(found("[input]\nhttp = '0\n~'"), "input.http");
        assert_eq!(
            found("[sinks.all] # x\ntype = 'file'\npath ~'x'"),
            "sinks.all.path"
        );
        assert_eq!(found("[sinks.\"a b\"]\n~=\n"), "sinks.\"a b\"");
        assert_eq!(found("[sinks.all~\ntype = 'file'"), "sinks.all");
        assert_eq!(found("[a]\nb = 1\n[c]\n~"), "c");
        assert_eq!(found("~"), "");
        assert_eq!(found("a = 1\né~"), "a");
    }

    #[test]
    fn tables_of_a_list_are_numbered() {
        let rules = "[[rules]]\nwhen = 'a'\n[[rules]]\nwhen = 'b'\n[rules.add]\nc = ~\n[default]\n";
        assert_eq!(found(rules), "rules[1].add.c");
        assert_eq!(
            found("[[rules]]\n[[rules]]\nsinks = [~a]"),
            "rules[1].sinks"
        );
    }

    #[test]
    fn a_value_of_several_lines_belongs_to_its_field() {
        assert_eq!(
            found("[default]\nsinks = [\n  ['a'],\n  ~b c\n]\n"),
            "default.sinks"
        );
        assert_eq!(
            found("[default]\nsinks = [\n  [1],\n  ~'a'\n"),
            "default.sinks"
        );
        assert_eq!(
            found("[default]\nsinks = [\n  ['a'],\n  ~, 'b'\n"),
            "default.sinks"
        );
    }
}
