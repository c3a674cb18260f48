//! Tokens of applications that people work with.
//!
//! One entry for each kind, as `detector.rs` describes it; formats are those that providers publish. Values are invented.

use super::super::detector::Detector;

/// What there is to be found.
pub const CATALOGUE: &[Detector] = &[
    Detector::key("airtable-token", "Airtable, personal access tokens")
        .at(&["pat0", "pat1", "pat2", "pat3", "pat4", "pat5", "pat6", "pat7", "pat8", "pat9", "pata", "patb", "patc", "patd", "pate", "patf", "patg", "path", "pati", "patj", "patk", "patl", "patm", "patn", "pato", "patp", "patq", "patr", "pats", "patt", "patu", "patv", "patw", "patx", "paty", "patz"])
        .like(r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}")
        .finds(&["patjz8yVvU1Bj2raS.e8aec6b2fdbeb9921c50b73c9b3a0cd817f3c6856fe72f87a3d943527538ac35"])
        .leaves(&["patjz8yVvU1Bj2raS.e8aec6b2fdbeb9921c50b73c9b3a0cd817f3c6856fe72f87a3d943527538ac3"]),
    Detector::key("linear-key", "Linear, API keys")
        .at(&["lin_api_", "lin_oauth_"])
        .like(r"lin_(?:api_[A-Za-z0-9]{40}|oauth_[0-9a-f]{64})")
        .finds(&["lin_api_gFlBG5g62WbN55yhQIeAsHCXcAA6I4XiovkrIWUH"])
        .leaves(&["lin_api_gFlBG5g62WbN55yhQIeAsHCXcAA6I4XiovkrIWU"]),
    Detector::key("notion-token", "Notion, authorization")
        .at(&["ntn_"])
        .like(r"ntn_[0-9]{11}[A-Za-z0-9]{35}")
        .finds(&["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"])
        .leaves(&["ntn_25091791423tPhI48WscvMVnV2OS1hUPa60dfrXB4KnzA"]),
    Detector::key("notion-legacy-token", "Notion, authorization")
        .at(&["secret_"])
        .like(r"secret_[A-Za-z0-9]{43}")
        .finds(&["secret_0LNqR2K9w1qaZ3tKAl5wDNFoRbmpmnNWgcCiQV2Pr1W"])
        .leaves(&["secret_0LNqR2K9w1qaZ3tKAl5wDNFoRbmpmnNWgcCiQV2Pr1"]),
    Detector::key("figma-token", "Figma, personal access tokens")
        .at(&["figd_", "figu_", "figo_"])
        .like(r"fig[duo]h?_[A-Za-z0-9_-]{40,60}")
        .finds(&["figu_0EjE3SFu2EQYe48kbylSFTOiWyaC6WcVbpMFm6fD"])
        .leaves(&["figu_0EjE3SFu2EQYe48kbylSFTOiWyaC6WcVbpMFm6f"]),
    Detector::key("dropbox-token", "Dropbox, OAuth guide")
        .at(&["sl.a", "sl.b", "sl.u"])
        .like(r"sl\.(?:u\.)?[A-Za-z0-9_-]{120,1400}")
        .finds(&["sl.BroM9oNNFZ6wSIQJ41QbectpSXSb3hElUXIhK93c9Sb7Ajai65oLNvYWpewN11vHJOkA3aJygtpGmcrJTeC8JS6BWo8oaw5sV1MjfvgJFk6jpvKPnsSUMRyY"])
        .leaves(&["sl.BroM9oNNFZ6wSIQJ41QbectpSXSb3hElUXIhK93c9Sb7Ajai65oLNvYWpewN11vHJOkA3aJygtpGmcrJTeC8JS6BWo8oaw5sV1MjfvgJFk6jpvKPnsSUMRy"]),
    Detector::key("typeform-token", "Typeform, personal access tokens")
        .at(&["tfp_"])
        .like(r"tfp_[A-Za-z0-9_.=-]{40,59}")
        .finds(&["tfp_a0bU2cPjDYfIfI7S3KrC9r5OsCbUbldRdNEFy6hd7"])
        .leaves(&["tfp_a0bU2cPjDYfIfI7S3KrC9r5OsCbUbldRdNEFy6h"]),
    Detector::key("trello-token", "Atlassian, Trello API")
        .at(&["atta"])
        .like(r"ATTA[0-9a-f]{64}[0-9A-F]{8}")
        .finds(&["ATTA2969b6a4b18b1391615b2c3e99c36b5ee3ecbfb3440df55d7d0c57e5fd52ef4aBA63A5B8"])
        .leaves(&["ATTA2969b6a4b18b1391615b2c3e99c36b5ee3ecbfb3440df55d7d0c57e5fd52ef4aBA63A5B"]),
    Detector::key("contentful-token", "Contentful, personal access tokens")
        .at(&["cfpat-"])
        .like(r"CFPAT-[A-Za-z0-9_-]{43}")
        .finds(&["CFPAT-uWampxHGv3Mx9HbTEwlSQhfw4SQjEIUe1k0A3WFN3qh"])
        .leaves(&["CFPAT-uWampxHGv3Mx9HbTEwlSQhfw4SQjEIUe1k0A3WFN3q"]),
    Detector::key("hubspot-token", "HubSpot, private apps")
        .at(&["pat-na1-", "pat-na2-", "pat-eu1-"])
        .like(r"pat-(?:na[12]|eu1)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
        .finds(&["pat-na1-5f5ab5e4-75cc-7899-14c9-35b7167d8e4f"])
        .leaves(&["pat-na1-5f5ab5e4-75cc-7899-14c9-35b7167d8e4"]),
    Detector::key("salesforce-token", "Salesforce, session identifiers")
        .at(&["00d0", "00d1", "00d2", "00d3", "00d4", "00d5", "00d6", "00d7", "00d8", "00d9", "00da", "00db", "00dc", "00dd", "00de", "00df", "00dg", "00dh", "00di", "00dj", "00dk", "00dl", "00dm", "00dn", "00do", "00dp", "00dq", "00dr", "00ds", "00dt", "00du", "00dv", "00dw", "00dx", "00dy", "00dz"])
        .like(r"00D[A-Za-z0-9]{12,15}![A-Za-z0-9._]{60,112}")
        .finds(&["00DHn80Nd4ioPF8z!to9nGQ5EKsMbDVOOxjXHxgQKKfkGCNZUfOX6FbpD7L7OWWvDeWsMCaWR5zH7rpks"])
        .leaves(&["00DHn80Nd4ioPF8z!to9nGQ5EKsMbDVOOxjXHxgQKKfkGCNZUfOX6FbpD7L7OWWvDeWsMCaWR5zH"]),
    Detector::key("mapbox-secret-token", "Mapbox, access tokens")
        .at(&["sk.eyj", "tk.eyj", "pk.eyj"])
        .like(r"[stp]k\.eyJ[A-Za-z0-9_-]{20,200}\.[A-Za-z0-9_-]{22}")
        .finds(&["tk.eyJdga4Qsimc2YzE7h4yUmHJWS.n2ozdMWteRSJJPymsH1J7M"])
        .leaves(&["tk.eyJdga4Qsimc2YzE7h4yUmHJWS.n2ozdMWteRSJJPymsH1J7"]),
    Detector::key("facebook-access-token", "Meta, access tokens")
        .at(&["eaa0", "eaa1", "eaa2", "eaa3", "eaa4", "eaa5", "eaa6", "eaa7", "eaa8", "eaa9", "eaaa", "eaab", "eaac", "eaad", "eaae", "eaaf", "eaag", "eaah", "eaai", "eaaj", "eaak", "eaal", "eaam", "eaan", "eaao", "eaap", "eaaq", "eaar", "eaas", "eaat", "eaau", "eaav", "eaaw", "eaax", "eaay", "eaaz"])
        .like(r"EAA[A-Za-z0-9]{80,250}")
        .finds(&["EAAoqplM4CNDXbWDdjFLZ8YvpCs7JmnSp8gkFlHnhZTEBJvyu5xcMpedAxFMX5lVXndcLSKdzIIhcfMAlE8"])
        .leaves(&["EAAoqplM4CNDXbWDdjFLZ8YvpCs7JmnSp8gkFlHnhZTEBJvyu5xcMpedAxFMX5lVXndcLSKdzIIhcfMAlE"]),
    Detector::key("x-bearer-token", "X, app-only authentication")
        .like(r"A{20,24}[A-Za-z0-9%]{60,110}")
        .finds(&["AAAAAAAAAAAAAAAAAAAAAQWv7Z3kTn9pYxR2sLbM4cJd8HgF6wE1uXoKzP5tNaVqByDiSf%3DGm7Rk2Lw9"])
        .leaves(&["AAAAAAAAAAAAAAAAAAAAAQWv7Z3kTn9pYxR2sLbM4cJd8HgF6wE1uXoKzP5tNaVqByDiSf%3DGm7Rk2"]),
    Detector::key("readme-key", "ReadMe, API keys")
        .at(&["rdme_"])
        .like(r"rdme_[0-9a-z]{60,75}")
        .finds(&["rdme_z9iiw28367ktdjask542ry933s2pawv8qbugvok7w41t65xqvygngj9rvhsszf"])
        .leaves(&["rdme_z9iiw28367ktdjask542ry933s2pawv8qbugvok7w41t65xqvygngj9rvhs"]),
    Detector::key("intra-secret", "42, API applications")
        .at(&["s-s4t2"])
        .like(r"s-s4t2(?:ud|af)-[0-9a-f]{64}")
        .finds(&["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"])
        .leaves(&["s-s4t2af-af7e9ba91d1f21eede7573f12da7a4a0d929918e0e3f1152896a9348bf6e0ab"]),
    Detector::key("frameio-token", "Frame.io, developer tokens")
        .at(&["fio-u-"])
        .like(r"fio-u-[A-Za-z0-9_=-]{64}")
        .finds(&["fio-u-zREg9rgKzi40uhbjtO8iRx3uPBJlnjVjC3WjIjAtiTT5F51b329XWuJymxmGkiea"])
        .leaves(&["fio-u-zREg9rgKzi40uhbjtO8iRx3uPBJlnjVjC3WjIjAtiTT5F51b329XWuJymxmGkie"]),
    Detector::key("adobe-client-secret", "Adobe, OAuth credentials")
        .at(&["p8e-"])
        .like(r"p8e-[A-Za-z0-9_-]{32}")
        .finds(&["p8e-5qfMPPrknFdpl8KkocwGbiBiwcBjFMH0"])
        .leaves(&["p8e-5qfMPPrknFdpl8KkocwGbiBiwcBjFMH"]),
    Detector::key("zoho-token", "Zoho, OAuth tokens")
        .at(&["1000."])
        .like(r"1000\.[0-9a-f]{32}\.[0-9a-f]{32}")
        .finds(&["1000.ffd3bfc83a2462b11b73b5f454f2a26a.0727e2dc784927b799d24fedefc7da28"])
        .leaves(&["1000.ffd3bfc83a2462b11b73b5f454f2a26a.0727e2dc784927b799d24fedefc7da2"]),
    Detector::key("clickup-token", "ClickUp, personal API tokens")
        .at(&["pk_0", "pk_1", "pk_2", "pk_3", "pk_4", "pk_5", "pk_6", "pk_7", "pk_8", "pk_9"])
        .like(r"pk_[0-9]{6,10}_[A-Z0-9]{32}")
        .finds(&["pk_6675345_AJEOWE07MX40I06LVI3D6UDFQBOD59C8"])
        .leaves(&["pk_6675345_AJEOWE07MX40I06LVI3D6UDFQBOD59C"]),
    Detector::key("canva-secret", "Canva, Connect API")
        .at(&["cnvca"])
        .like(r"cnvca[A-Za-z0-9_-]{40,70}")
        .finds(&["cnvcaFCNJQCN4XuMgJZTeyDVcOUWg0Y73fIQpkjUITGobqzN"])
        .leaves(&["cnvcaFCNJQCN4XuMgJZTeyDVcOUWg0Y73fIQpkjUITGo"]),
    Detector::key("freemius-secret-key", "Freemius, API keys")
        .like(r"sk_[A-Za-z0-9~!@#$%^&*?.,:;-]{29}")
        .near(&["freemius", "secret_key"])
        .finds(&["sk_uW1t3k2D4FP4fWYuFabWLqXapF2Ge"])
        .leaves(&["sk_uW1t3k2D4FP4fWYuFabWLqXapF2G"]),
];
