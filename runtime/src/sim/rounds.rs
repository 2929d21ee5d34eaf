//! Rounds in the list of events: what processes do again and again, word for word, is shown once, and counted.

use std::cmp::Reverse;

/// Rounds of more lines than this are not looked for.
const LONGEST: usize = 100;

/// A round is shown this often at least, or there is nothing to count.
const OFTEN: usize = 3;

/// The fewest lines that counting saves.
const SAVES: usize = 4;

/// Lines that are shown, and how often they come again after that.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) lines: std::ops::Range<usize>,
    pub(super) again: usize,
}

/// Splits a list into rounds; what is no round comes once, `again` zero times. Two lines are the same if their keys are.
pub(super) fn split<K: PartialEq>(keys: &[K]) -> Vec<Round> {
    let mut rounds: Vec<Round> = Vec::new();
    let repeats = repeats(keys);
    let (mut at, mut begun) = (0, 0);
    while at < keys.len() {
        let Some((length, times)) = best(&repeats, at) else {
            at += 1;
            continue;
        };
        if begun < at {
            rounds.push(Round {
                lines: begun..at,
                again: 0,
            });
        }
        rounds.push(Round {
            lines: at..at + length,
            again: times - 1,
        });
        at += length * times;
        begun = at;
    }
    if begun < at {
        rounds.push(Round {
            lines: begun..at,
            again: 0,
        });
    }
    rounds
}

/// By the length of a round, less one, and the line: how many lines from there on are the same as those one round later.
fn repeats<K: PartialEq>(keys: &[K]) -> Vec<Vec<usize>> {
    let longest = LONGEST.min(keys.len() / OFTEN);
    (1..=longest)
        .map(|length| {
            let mut same = vec![0; keys.len()];
            for at in (0..keys.len() - length).rev() {
                if keys[at] == keys[at + length] {
                    same[at] = same[at + 1] + 1;
                }
            }
            same
        })
        .collect()
}

/// The round that begins at this line and saves the most: its length, and how often it comes.
fn best(repeats: &[Vec<usize>], at: usize) -> Option<(usize, usize)> {
    let rounds = repeats.iter().zip(1..).map(|(same, length)| {
        let times = 1 + same[at] / length;
        (length, times)
    });
    let saved = |(length, times): (usize, usize)| length * (times - 1);
    rounds
        .filter(|&round| round.1 >= OFTEN && saved(round) > SAVES)
        // Of those that save as much the shortest: it says best what comes again.
        .max_by_key(|&round| (saved(round), Reverse(round.0)))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Round, split};

    fn rounds(text: &str) -> Vec<(&str, usize)> {
        let keys: Vec<u8> = text.bytes().collect();
        let round = |Round { lines, again }: Round| (&text[lines], again);
        split(&keys).into_iter().map(round).collect()
    }

    #[test]
    fn what_comes_again_and_again_is_counted() {
        assert_eq!(rounds(""), []);
        assert_eq!(rounds("abcabd"), [("abcabd", 0)]);
        assert_eq!(rounds("xabcabcabcaby"), [("x", 0), ("abc", 2), ("aby", 0)]);
        assert_eq!(rounds("xaaaaaaaay"), [("x", 0), ("a", 7), ("y", 0)]);
        assert_eq!(rounds("abababab"), [("ab", 3)]);
        // Twice is not often, and three times two lines are read as fast as they are counted.
        assert_eq!(rounds("abcdefgabcdefg"), [("abcdefgabcdefg", 0)]);
        assert_eq!(rounds("ababab"), [("ababab", 0)]);
    }
}
