//! The places of mutants in a file.
use std::{collections::BTreeMap, ops::Range};

use anyhow::Result;
use syn::{
    BinOp, Expr, ExprBinary, ExprMatch, ExprStruct, ExprUnary, Member, spanned::Spanned,
    visit::Visit,
};

use crate::catalog::{Genre, Mutant};

/// A function that returns `impl Iterator` returns one type, whichever mutant is on.
pub const ITERATOR: &str = "::std::iter::";

/// One place of the source: what stands around it, and what may stand there instead.
pub struct Site {
    pub bytes: Range<usize>,
    pub genre: Genre,
    /// What a field that is only a name needs before it.
    pub before: String,
    /// With its number and its text.
    pub instead: Vec<(usize, String)>,
}

/// The places, outer ones before those in them, and the mutants that have none.
pub fn sites(source: &str, mutants: &[&Mutant]) -> Result<(Vec<Site>, Vec<usize>)> {
    let mut found = Found { source, mutants: BTreeMap::new(), sites: Vec::new() };
    for &mutant in mutants {
        let start = mutant.span.start.byte(source);
        found.mutants.entry((start, mutant.genre)).or_default().push(mutant);
    }
    found.simple();
    found.visit_file(&syn::parse_file(source)?);
    let lost = found.mutants.values().flatten().map(|mutant| mutant.number).collect();
    found.sites.sort_by_key(|site| (site.bytes.start, usize::MAX - site.bytes.end));
    Ok((found.sites, lost))
}

/// Looks for the places of mutants.
struct Found<'a> {
    source: &'a str,
    mutants: BTreeMap<(usize, Genre), Vec<&'a Mutant>>,
    sites: Vec<Site>,
}

impl Found<'_> {
    /// Those whose places the list itself says.
    fn simple(&mut self) {
        let source = self.source;
        let simple = [Genre::FnValue, Genre::MatchArmGuard];
        for (&(start, genre), mutants) in &mut self.mutants {
            if !simple.contains(&genre) {
                continue;
            }
            let Some(end) = mutants.first().map(|one| one.span.end.byte(source)) else { continue };
            let (empty, others): (Vec<_>, Vec<_>) =
                mutants.drain(..).partition(|one| one.replacement.starts_with(ITERATOR));
            let site = |end, these: Vec<&Mutant>| {
                let instead =
                    these.iter().map(|one| (one.number, one.replacement.clone())).collect();
                Site { bytes: start..end, genre, before: String::new(), instead }
            };
            let before = if genre == Genre::FnValue { start } else { end };
            let both = [site(end, empty), site(before, others)];
            self.sites.extend(both.into_iter().filter(|site| !site.instead.is_empty()));
        }
    }

    fn take(
        &mut self,
        (start, genre): (usize, Genre),
        bytes: Range<usize>,
        before: &str,
        text: impl Fn(&Mutant) -> String,
    ) {
        let mutants = self.mutants.remove(&(start, genre)).unwrap_or_default();
        let instead: Vec<_> = mutants.iter().map(|one| (one.number, text(one))).collect();
        if !instead.is_empty() {
            self.sites.push(Site { bytes, genre, before: before.to_owned(), instead });
        }
    }
}

impl<'ast> Visit<'ast> for Found<'_> {
    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        // A chain of `let` is no expression that another one may hold.
        if !(matches!(binary.op, BinOp::And(_)) && chain(binary)) {
            let (whole, operator) = (binary.span().byte_range(), binary.op.span().byte_range());
            let source = self.source;
            self.take((operator.start, Genre::BinaryOperator), whole.clone(), "", |mutant| {
                let (left, right) =
                    (&source[whole.start..operator.start], &source[operator.end..whole.end]);
                format!("{left}{}{right}", mutant.replacement)
            });
        }
        syn::visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast ExprUnary) {
        let (whole, operator) = (unary.span().byte_range(), unary.op.span().byte_range());
        let source = self.source;
        self.take((operator.start, Genre::UnaryOperator), whole.clone(), "", |_| {
            source[operator.end..whole.end].to_owned()
        });
        syn::visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_match(&mut self, expression: &'ast ExprMatch) {
        for arm in &expression.arms {
            let end = arm.pat.span().byte_range().end;
            self.take((arm.span().byte_range().start, Genre::MatchArm), end..end, "", |_| {
                String::new()
            });
        }
        syn::visit::visit_expr_match(self, expression);
    }

    fn visit_expr_struct(&mut self, expression: &'ast ExprStruct) {
        if let Some(rest) = &expression.rest {
            let rest = &self.source[rest.span().byte_range()];
            for field in &expression.fields {
                let Member::Named(name) = &field.member else { continue };
                let (start, value) =
                    (field.span().byte_range().start, field.expr.span().byte_range());
                let before =
                    if field.colon_token.is_some() { String::new() } else { format!("{name}: ") };
                self.take((start, Genre::StructField), value, &before, |_| {
                    format!("({rest}).{name}")
                });
            }
        }
        syn::visit::visit_expr_struct(self, expression);
    }
}

fn chain(binary: &ExprBinary) -> bool {
    let is = |side: &Expr| match side {
        Expr::Let(_) => true,
        Expr::Binary(inner) => matches!(inner.op, BinOp::And(_)) && chain(inner),
        _ => false,
    };
    is(&binary.left) || is(&binary.right)
}
