//! A file with all of its mutants in it.
use std::{fmt::Write as _, ops::Range};

use anyhow::Result;

use super::found::{ITERATOR, Site, sites};
use crate::catalog::{Genre, Mutant};

/// A file with its mutants in it, and where each stands.
pub struct Woven {
    pub text: String,
    /// Of a single mutant.
    mine: Vec<(Range<usize>, usize)>,
    /// Of all mutants of one place.
    ours: Vec<(Range<usize>, Vec<usize>)>,
    /// Those that no question can be put before.
    pub lost: Vec<usize>,
}

impl Woven {
    pub fn of(source: &str, mutants: &[&Mutant]) -> Result<Self> {
        let (sites, lost) = sites(source, mutants)?;
        let mut woven = Self { text: String::new(), mine: Vec::new(), ours: Vec::new(), lost };
        woven.write(source, 0..source.len(), &sites)?;
        Ok(woven)
    }

    fn write(&mut self, source: &str, bytes: Range<usize>, mut sites: &[Site]) -> Result<()> {
        let mut at = bytes.start;
        while let Some((site, rest)) = sites.split_first() {
            let inner = rest.iter().take_while(|one| one.bytes.start < site.bytes.end).count();
            let (inside, after) = rest.split_at(inner);
            self.text.push_str(&source[at..site.bytes.start]);
            self.site(source, site, inside)?;
            at = site.bytes.end;
            sites = after;
        }
        self.text.push_str(&source[at..bytes.end]);
        Ok(())
    }

    fn site(&mut self, source: &str, site: &Site, inside: &[Site]) -> Result<()> {
        let start = self.text.len();
        match site.genre {
            Genre::FnValue if site.instead.iter().any(|(_, text)| text.starts_with(ITERATOR)) => {
                self.text.push_str("({ ");
                self.write(source, site.bytes.clone(), inside)?;
                self.text.push_str(" }).into_iter()");
                for (number, text) in &site.instead {
                    let start = self.text.len();
                    write!(self.text, ".filter(|_| !crate::mutant({number}))")?;
                    if let Some(one) =
                        text.strip_prefix(ITERATOR).and_then(|text| text.strip_prefix("once"))
                    {
                        write!(self.text, ".chain(crate::mutant({number}).then(|| {one}))")?;
                    }
                    self.mine.push((start..self.text.len(), *number));
                }
            }
            Genre::FnValue => {
                for (number, text) in &site.instead {
                    self.alternative(*number, "if ", "return ", text, "; } ")?;
                }
            }
            Genre::MatchArm => {
                for (number, _) in &site.instead {
                    write!(self.text, " if !crate::mutant({number}) ")?;
                }
            }
            Genre::MatchArmGuard => {
                self.text.push('(');
                for (number, text) in &site.instead {
                    match text.as_str() {
                        "true" => write!(self.text, "crate::mutant({number}) || ")?,
                        _ => write!(self.text, "!crate::mutant({number}) && ")?,
                    }
                }
                self.text.push('(');
                self.write(source, site.bytes.clone(), inside)?;
                self.text.push_str("))");
            }
            Genre::BinaryOperator | Genre::UnaryOperator | Genre::StructField => {
                write!(self.text, "{}(", site.before)?;
                for (number, text) in &site.instead {
                    self.alternative(*number, "if ", "", text, " } else ")?;
                }
                self.text.push_str("{ ");
                self.write(source, site.bytes.clone(), inside)?;
                self.text.push_str(" })");
            }
        }
        let numbers = site.instead.iter().map(|(number, _)| *number).collect();
        self.ours.push((start..self.text.len(), numbers));
        Ok(())
    }

    fn alternative(
        &mut self,
        number: usize,
        before: &str,
        word: &str,
        text: &str,
        after: &str,
    ) -> Result<()> {
        let start = self.text.len();
        write!(self.text, "{before}crate::mutant({number}) {{ {word}{text}{after}")?;
        self.mine.push((start..self.text.len(), number));
        Ok(())
    }

    /// The mutant that a complaint is about, or all of the nearest place.
    pub fn blamed(&self, bytes: &Range<usize>) -> Vec<usize> {
        let holds = |range: &Range<usize>| range.start <= bytes.start && bytes.end <= range.end;
        let touches = |range: &Range<usize>| range.start < bytes.end && bytes.start < range.end;
        let mine =
            self.mine.iter().filter(|(range, _)| holds(range)).min_by_key(|(range, _)| range.len());
        if let Some((_, number)) = mine {
            return vec![*number];
        }
        let ours =
            self.ours.iter().filter(|(range, _)| holds(range)).min_by_key(|(range, _)| range.len());
        if let Some((_, numbers)) = ours {
            return numbers.clone();
        }
        self.mine.iter().filter(|(range, _)| touches(range)).map(|(_, number)| *number).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The one at this text of the source.
    fn mutant(number: usize, source: &str, what: &str, genre: &str, replacement: &str) -> Mutant {
        let begin = source.find(what).unwrap();
        let place = |byte: usize| {
            let before = &source[..byte];
            let line = before.rfind('\n').map_or(0, |end| end + 1);
            json!({ "line": before.matches('\n').count() + 1, "column": source[line..byte].chars().count() + 1 })
        };
        let mutant = json!({
            "name": "", "file": "src/lib.rs", "genre": genre, "replacement": replacement,
            "span": { "start": place(begin), "end": place(begin + what.len()) },
        });
        let mut mutant: Mutant = serde_json::from_value(mutant).unwrap();
        mutant.number = number;
        mutant
    }

    fn woven(source: &str, mutants: &[(&str, &str, &str)]) -> Woven {
        let mutants: Vec<Mutant> = mutants
            .iter()
            .zip(1..)
            .map(|((what, genre, replacement), number)| {
                mutant(number, source, what, genre, replacement)
            })
            .collect();
        Woven::of(source, &mutants.iter().collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn an_operator_in_another_one_is_asked_about_where_the_outer_one_is_as_it_was() {
        let source = "fn is() -> bool { let é = 1; é < 2 && é > 0 }";
        let found = woven(
            source,
            &[
                ("&&", "BinaryOperator", "||"),
                ("<", "BinaryOperator", "=="),
                ("<", "BinaryOperator", ">"),
            ],
        );
        let inner =
            "(if crate::mutant(2) { é == 2 } else if crate::mutant(3) { é > 2 } else { é < 2 })";
        let outer =
            format!("(if crate::mutant(1) {{ é < 2 || é > 0 }} else {{ {inner} && é > 0 }})");
        assert_eq!(found.text, format!("fn is() -> bool {{ let é = 1; {outer} }}"));
    }

    #[test]
    fn bodies_arms_guards_and_fields_are_asked_about_each_in_its_way() {
        let source = "fn of(n: u8) -> A { match n { 1 => A::one(), 2 if n > 1 => A { b: 1, ..A::one() }, _ => A::two() } }";
        let body = &source["fn of(n: u8) -> A { ".len()..source.len() - 2];
        let found = woven(
            source,
            &[
                (body, "FnValue", "Default::default()"),
                ("1 => A::one()", "MatchArm", ""),
                ("n > 1", "MatchArmGuard", "true"),
                ("n > 1", "MatchArmGuard", "false"),
                ("b: 1", "StructField", ""),
            ],
        );
        assert_eq!(
            found.text,
            "fn of(n: u8) -> A { if crate::mutant(1) { return Default::default(); } match n { \
             1 if !crate::mutant(2)  => A::one(), \
             2 if (crate::mutant(3) || !crate::mutant(4) && (n > 1)) => \
             A { b: (if crate::mutant(5) { (A::one()).b } else { 1 }), ..A::one() }, _ => A::two() } }"
        );
    }

    #[test]
    fn a_chain_with_let_is_left_as_it_is() {
        let source =
            "fn is(a: Option<u8>) -> bool { if let Some(b) = a && b > 1 { true } else { false } }";
        let found = woven(source, &[("&&", "BinaryOperator", "||")]);
        assert_eq!((found.text.as_str(), found.lost.as_slice()), (source, [1].as_slice()));
    }

    #[test]
    fn what_the_compiler_refuses_is_the_mutant_that_it_points_at() {
        let source = "fn of(a: u8, b: u8) -> bool { a + b < 3 }";
        let found = woven(source, &[("+", "BinaryOperator", "-"), ("<", "BinaryOperator", "==")]);
        let at = found.text.find("a - b").unwrap();
        assert_eq!(found.blamed(&(at..at + 5)), [1]);
        let at = found.text.find("== 3").unwrap();
        assert_eq!(found.blamed(&(at..at + 4)), [2]);
        assert!(found.blamed(&(0..2)).is_empty());
    }
}
