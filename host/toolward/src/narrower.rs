//! How a person writes a yes to less than was asked for: at the command line, and in a message.
use clap::{Args, Parser};
use jiff::SignedDuration;
use toolward_gate::{AnswerLimits, CapabilityName, Cost, PathPattern};

/// What a yes is narrowed to. Without any of it, the call runs as the policies allow.
#[derive(Args)]
pub(crate) struct Narrower {
    /// How long the call may run, as in `10s`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    time: Option<SignedDuration>,
    /// What the call may come to, as in `usd:0.50`.
    #[arg(long, value_name = "COST", value_parser = cost)]
    cost: Option<Cost>,
    /// How many HTTP requests may leave the host.
    #[arg(long, value_name = "NUMBER")]
    http_requests: Option<u32>,
    /// The longest body, in bytes, of a request and of a response.
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<usize>,
    /// The methods that are left of a capability, as in `shop:payments:create=POST`. Can be repeated.
    #[arg(long, value_name = "CAPABILITY=METHOD", value_parser = method)]
    method: Vec<(CapabilityName, String)>,
    /// The paths that are left of a capability, as in `shop:payments:create=/payments/{id}`. Can be repeated.
    #[arg(long, value_name = "CAPABILITY=PATH", value_parser = path)]
    path: Vec<(CapabilityName, PathPattern)>,
}

fn time(text: &str) -> Result<SignedDuration, &'static str> {
    let time: Option<SignedDuration> = text.parse().ok();
    time.filter(|time| time.as_millis() > 0)
        .ok_or("write a time of at least a millisecond, as in `10s`")
}

fn cost(text: &str) -> Result<Cost, &'static str> {
    AnswerLimits::cost_of(text).ok_or("write dollars, as in `usd:0.50`")
}

fn of_capability(text: &str) -> Result<(CapabilityName, &str), String> {
    let (name, rest) =
        text.split_once('=').ok_or("write `CAPABILITY=…`, as in `shop:payments:create=POST`")?;
    Ok((name.parse().map_err(|error: toolward_gate::NameError| error.to_string())?, rest))
}

fn method(text: &str) -> Result<(CapabilityName, String), String> {
    let (name, method) = of_capability(text)?;
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err("write the method in upper case, as in `POST`".to_owned());
    }
    Ok((name, method.to_owned()))
}

fn path(text: &str) -> Result<(CapabilityName, PathPattern), String> {
    let (name, path) = of_capability(text)?;
    let path: Result<_, toolward_gate::PathPatternError> = path.parse();
    Ok((name, path.map_err(|error| error.to_string())?))
}

impl Narrower {
    pub(crate) fn limits(self) -> AnswerLimits {
        let time = self.time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let mut limits = AnswerLimits {
            time_ms: time,
            cost: self.cost,
            http_requests: self.http_requests,
            max_bytes: self.max_bytes,
            ..AnswerLimits::default()
        };
        for (name, method) in self.method {
            let own = limits.capabilities.entry(name).or_default();
            own.methods.get_or_insert_default().insert(method);
        }
        for (name, path) in self.path {
            let own = limits.capabilities.entry(name).or_default();
            own.paths.get_or_insert_default().push(path);
        }
        limits
    }
}

/// Reads what stands in a message: the words of the command line, with or without the dashes, as in
/// `time=5s http-requests=1`. Fails with what to write.
pub(crate) fn read(text: &str) -> Result<AnswerLimits, String> {
    #[derive(Parser)]
    #[command(no_binary_name = true, disable_help_flag = true)]
    struct Words {
        #[command(flatten)]
        narrower: Narrower,
    }
    let word = |word: &str| {
        // Some keyboards write two dashes as one long one.
        let name = word.trim_start_matches(['-', '\u{2013}', '\u{2014}']);
        format!("--{name}")
    };
    let words: Vec<String> = text.split_whitespace().map(word).collect();
    if let Some(word) = words.iter().find(|word| !word.contains('=')) {
        return Err(format!("`{word}` is no limit: write `NAME=VALUE`, as in `http-requests=1`"));
    }
    let read = Words::try_parse_from(words).map_err(|error| {
        let told = error.render().to_string();
        told.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })?;
    Ok(read.narrower.limits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_at_the_command_line() {
        let read = |text| read(text).unwrap();
        assert!(read("").is_none() && read("  \n").is_none());
        let limits = read(
            "time=5s \u{2014}http-requests=1 --cost=usd:0.50 max-bytes=2000 method=shop:items:read=GET path=shop:items:read=/a/{id}",
        );
        assert_eq!((limits.time_ms, limits.cost), (Some(5000), Some(Cost(500_000))));
        assert_eq!((limits.http_requests, limits.max_bytes), (Some(1), Some(2000)));
        let own = limits.capabilities.values().next().unwrap();
        assert_eq!(own.methods.as_ref().unwrap().len(), 1);
        assert_eq!(own.paths.as_ref().unwrap()[0].to_string(), "/a/{id}");
    }

    #[test]
    fn what_is_no_limit_is_told_in_one_line() {
        for (text, told) in [
            ("once", "write `NAME=VALUE`"),
            ("time 5s", "write `NAME=VALUE`"),
            ("time=soon", "as in `10s`"),
            ("time=0s", "at least a millisecond"),
            ("cost=5", "as in `usd:0.50`"),
            ("http-requests=-1", "invalid value"),
            ("request=1", "unexpected argument"),
            ("help=1", "unexpected argument"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(told) && !error.contains('\n'), "{text}: {error}");
        }
    }
}
