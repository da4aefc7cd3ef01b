//! Do the tests notice when a line says something else? Every mutant that `cargo mutants` makes of a crate, in one
//! build.
//!
//! `cargo mutants` builds once for each. Here all are woven into a copy of the source, each behind a question that
//! `MUTANT=17` answers, and what the compiler refuses is taken out again. Then each test runs once to see which mutants
//! it comes by, and for each mutant the tests that do, the short ones first, until one of them fails.
//!
//! What survives has its reason in the crate's `mutants.toml`, or this ends with 1.
#![allow(clippy::disallowed_methods, reason = "it starts cargo and tests")]

mod catalog;
mod copy;
mod reasons;
mod round;
mod weave;

use std::{env, path::Path, process::ExitCode};

use anyhow::{Result, bail};

use crate::{copy::Copy, reasons::Reasons};

const USAGE: &str = "usage: toolward-mutants PACKAGE [--file FILE]... [--with PACKAGE]...

  --file   only the mutants of this file, from the root of the workspace
  --with   what no test of PACKAGE notices is shown to the quick tests of this one, too";

/// Of other packages, the tests that take no longer by themselves, in seconds.
const QUICK: f64 = 1.0;
/// Of the package itself.
const PATIENT: f64 = 60.0;

struct Order {
    package: String,
    files: Vec<String>,
    with: Vec<String>,
}

fn main() -> Result<ExitCode> {
    let order = order(env::args().skip(1))?;
    let copy = Copy::of(Path::new("."))?;
    let folder = copy.folder(&order.package)?;
    let mutants = copy.mutants(&order.package, &order.files)?;
    println!("{} mutants of {}", mutants.len(), order.package);
    let woven = weave::until_it_compiles(&copy, &folder, mutants)?;
    let mut left = round::run(&woven, PATIENT, copy.tests(&order.package)?)?;
    for package in &order.with {
        println!("{} are left for {package}", left.len());
        left = round::run(&left, QUICK, copy.tests(package)?)?;
    }
    Ok(Reasons::read(&folder.join("mutants.toml"))?.judge(&woven, &left, order.files.is_empty()))
}

fn order(mut words: impl Iterator<Item = String>) -> Result<Order> {
    let Some(package) = words.next().filter(|word| !word.starts_with('-')) else { bail!(USAGE) };
    let mut order = Order { package, files: Vec::new(), with: Vec::new() };
    while let Some(word) = words.next() {
        let several = match word.as_str() {
            "--file" => &mut order.files,
            "--with" => &mut order.with,
            _ => bail!(USAGE),
        };
        let Some(value) = words.next() else { bail!(USAGE) };
        several.push(value);
    }
    Ok(order)
}
