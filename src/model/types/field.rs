//! Names of header fields as servers may read them, and those by which a server is told of another request than the one
//! that was sent.
//!
//! Behind CGI and its like every character that is no letter and no digit becomes `_` (RFC 3875, section 4.1.18, and what
//! servers make of it): `x-team`, `x_team` and `x.team` are one variable there. Never used to find a field that is asked
//! for, only to keep one out.

/// Fields that some servers believe more than the request line and `Host`, which are what is judged: host or path as a
/// front end had it. No convention lets a client send them. Read by Symfony and Laminas (`X-Original-URL`,
/// `X-Rewrite-URL`), IIS rewriting, front ends that ask another server for leave (`X-Original-URI`, `X-Forwarded-Uri`),
/// Envoy, and everything that builds links or picks a site by the host that a proxy tells.
pub const OTHER_PLACES: [&str; 13] = [
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-rewrite-uri",
    "x-override-url",
    "x-forwarded-uri",
    "x-http-destinationurl",
    "x-envoy-original-path",
    "x-original-host",
    "x-forwarded-host",
    "x-forwarded-server",
    "x-http-host-override",
    "x-host",
];

/// Fields by which servers take another method than the one in the request line: Rack, Symfony and Laravel, Express,
/// ASP.NET, Jersey, Yii, Google's APIs and many more read the first; OData and SharePoint the second; the third is an
/// option of Express and its like.
pub const OTHER_METHODS: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Whether some server takes both names for the same: any case, and any sign for any other.
pub fn reads_alike(one: &str, other: &str) -> bool {
    let alike = |(one, other): (u8, u8)| {
        one.eq_ignore_ascii_case(&other) || !one.is_ascii_alphanumeric() && !other.is_ascii_alphanumeric()
    };
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(alike)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_become_one_variable_behind_cgi_read_alike_and_no_others_do() {
        for sent in ["x-team", "X_Team", "x.team", "X~TEAM"] {
            assert!(reads_alike("x-team", sent) && reads_alike(sent, "X-Team"), "{sent}");
        }
        for sent in ["x-teams", "xteam", "x-tean", "x-tea-", "x--eam"] {
            assert!(!reads_alike("x-team", sent), "{sent}");
        }
    }
}
