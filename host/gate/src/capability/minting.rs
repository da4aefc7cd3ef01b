//! Would a tool reach a place that hands out credentials? What it gets there nobody could look for in responses: the
//! host asks for it, and keeps the answer.
use crate::{Destination, PathPattern};

/// The name of such a place, if one of these requests would reach it.
pub(super) fn place(destination: &Destination, paths: &[PathPattern]) -> Option<String> {
    let host = destination.host.as_str();
    let reaches = |path: &str| paths.iter().any(|pattern| pattern.matches(path));
    let is_named = |path: &&str| paths.iter().any(|pattern| pattern.as_str() == *path);
    if is_aws(host) || HOSTS.contains(&host) {
        return Some(format!("`{host}`"));
    }
    let known = PLACES.iter().find(|(named, path)| host == *named && reaches(path));
    let known = known.map(|(_, path)| *path).or_else(|| PATHS.into_iter().find(is_named));
    known.map(|path| format!("`{host}{path}`"))
}

/// AWS STS and IAM, in every region and partition.
fn is_aws(host: &str) -> bool {
    let of_aws = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"];
    let service = of_aws.iter().find_map(|ending| host.strip_suffix(ending));
    service.and_then(|name| name.split('.').next()).is_some_and(|service| {
        ["sts", "sts-fips", "iam", "iam-fips", "cognito-identity"].contains(&service)
    })
}

/// Hosts that do nothing else.
const HOSTS: [&str; 3] =
    ["iamcredentials.googleapis.com", "oauth2.googleapis.com", "sts.googleapis.com"];
/// Hosts that do it in one place. Names that vary are filled in.
const PLACES: [(&str, &str); 9] = [
    ("accounts.google.com", "/o/oauth2/token"),
    ("api.github.com", "/app/installations/1/access_tokens"),
    ("auth.atlassian.com", "/oauth/token"),
    ("github.com", "/login/oauth/access_token"),
    ("gitlab.com", "/oauth/token"),
    ("login.microsoftonline.com", "/common/oauth2/token"),
    ("login.microsoftonline.com", "/common/oauth2/v2.0/token"),
    ("login.salesforce.com", "/services/oauth2/token"),
    ("slack.com", "/api/oauth.v2.access"),
];
/// Paths that are named so wherever they are.
const PATHS: [&str; 5] =
    ["/oauth/token", "/oauth2/token", "/oauth2/v1/token", "/oauth2/v2.0/token", "/connect/token"];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(destination: &str, path: &str) -> Option<String> {
        place(&Destination::parse(destination).unwrap(), &[path.parse().unwrap()])
    }

    #[test]
    fn places_that_hand_out_credentials_are_known_and_their_neighbours_are_not() {
        for (destination, path) in [
            ("https://sts.amazonaws.com", "/"),
            ("https://sts.eu-central-1.amazonaws.com", "/"),
            ("https://iam.amazonaws.com", "/"),
            ("https://sts-fips.us-east-1.amazonaws.com", "/"),
            ("https://sts.cn-north-1.amazonaws.com.cn", "/"),
            ("https://oauth2.googleapis.com", "/token"),
            ("https://api.github.com", "/app/installations/{id}/access_tokens"),
            ("https://api.github.com", "/{a}/{b}/{c}/{d}"),
            ("https://login.microsoftonline.com", "/{tenant}/oauth2/v2.0/token"),
            ("https://login.example.com", "/oauth2/token"),
        ] {
            assert!(found(destination, path).is_some(), "{destination}{path}");
        }
        for (destination, path) in [
            ("https://s3.eu-central-1.amazonaws.com", "/{bucket}/{key}"),
            ("https://sts.example.com", "/"),
            ("https://api.github.com", "/repos/{owner}/{repo}/issues"),
            ("https://login.microsoftonline.com", "/{tenant}/discovery"),
            ("https://api.example.com", "/{a}/{b}"),
        ] {
            assert_eq!(found(destination, path), None, "{destination}{path}");
        }
    }
}
