//! Tokens of what runs, keeps and deploys: platforms, databases, vaults, networks, identity.
//!
//! One entry for each kind, as `detector.rs` describes it; formats are those that providers publish. Values are invented.

use super::super::detector::Detector;
use super::sums;

/// What there is to be found.
pub const CATALOGUE: &[Detector] = &[
    Detector::key("heroku-token", "Heroku, platform API tokens")
        .at(&["hrku-"])
        .like(r"HRKU-(?:AA[A-Za-z0-9_-]{58}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
        .finds(&["HRKU-3a26669c-2dc1-e361-4908-57cdbffd915f"])
        .leaves(&["HRKU-3a26669c-2dc1-e361-4908-57cdbffd915"]),
    Detector::key("fly-token", "Fly.io, access tokens")
        .at(&["fm1r_", "fm2_", "fm1a_", "fo1_"])
        .like(r"(?:fo1_[A-Za-z0-9_-]{43}|fm(?:1[ar]|2)_[A-Za-z0-9+/]{100,900}={0,3})")
        .finds(&["fo1_9xb8sco0Iz2XvsVlMa870h5eFBSN87IVfLRADb4w8iZ"])
        .leaves(&["fo1_9xb8sco0Iz2XvsVlMa870h5eFBSN87IVfLRADb4w8i"]),
    Detector::key("netlify-token", "Netlify, personal access tokens")
        .at(&["nfp_", "nfc_", "nfo_", "nfu_"])
        .like(r"nf[pcou]_[A-Za-z0-9]{36}")
        .finds(&["nfp_2ac0jkBpIecMCGnqQP620Q3jeO9WhlfhxQtw"])
        .leaves(&["nfp_2ac0jkBpIecMCGnqQP620Q3jeO9WhlfhxQt"]),
    Detector::key("render-key", "Render, API keys")
        .at(&["rnd_"])
        .like(r"rnd_[A-Za-z0-9]{28,32}")
        .finds(&["rnd_53HBUmtAteXsndn8UWLVqJwXz3H6I"])
        .leaves(&["rnd_53HBUmtAteXsndn8UWLVqJwXz3H"]),
    Detector::key("supabase-token", "Supabase, access tokens")
        .at(&["sbp_"])
        .like(r"sbp_(?:oauth_|v0_)?[0-9a-f]{40}")
        .finds(&["sbp_v0_383959d1da11afc595ed0dc7e34af6168ababcd3"])
        .leaves(&["sbp_v0_383959d1da11afc595ed0dc7e34af6168ababcd"]),
    Detector::key("supabase-secret-key", "Supabase, API keys")
        .at(&["sb_secret_"])
        .like(r"sb_secret_[A-Za-z0-9_-]{31}")
        .finds(&["sb_secret_YGae0Z7Id5SAbbvVCBIwb3yXevtU48d"])
        .leaves(&["sb_secret_YGae0Z7Id5SAbbvVCBIwb3yXevtU48"]),
    Detector::key("planetscale-token", "PlanetScale, service tokens")
        .at(&["pscale_tkn_", "pscale_oauth_", "pscale_pw_"])
        .like(r"pscale_(?:tkn|oauth|pw)_[A-Za-z0-9_=.-]{32,64}")
        .finds(&["pscale_tkn_vbWedtOiUibFP2B7YvVAr9KHQg7nS4Iuy"])
        .leaves(&["pscale_tkn_vbWedtOiUibFP2B7YvVAr9KHQg7nS4I"]),
    Detector::key("databricks-token", "Databricks, personal access tokens")
        .at(&["dapi"])
        .like(r"dapi[0-9a-f]{32}(?:-[0-9])?")
        .finds(&["dapi7188789fe00caf57b1cb4571b21e5db9-7"])
        .leaves(&["dapi7188789fe00caf57b1cb4571b21e5db"]),
    Detector::key("neon-key", "Neon, API keys")
        .at(&["napi_"])
        .like(r"napi_[a-z0-9]{64}")
        .finds(&["napi_w4dswkn6zsmqmh7582oe7fiv37v8ktix2hoh46nracv0ipf8h4f3odmh0hj02yyp"])
        .leaves(&["napi_w4dswkn6zsmqmh7582oe7fiv37v8ktix2hoh46nracv0ipf8h4f3odmh0hj02yy"]),
    Detector::key("mongodb-atlas-secret", "MongoDB, Atlas service accounts")
        .at(&["mdb_sa_sk_"])
        .like(r"mdb_sa_sk_[A-Za-z0-9_-]{40}")
        .finds(&["mdb_sa_sk_d821pk1QVwRPfSIv6VNaBqHy7iNEM4DyvQnnj6Qv"])
        .leaves(&["mdb_sa_sk_d821pk1QVwRPfSIv6VNaBqHy7iNEM4DyvQnnj6Q"]),
    Detector::key("doppler-token", "Doppler, token formats")
        .at(&["dp.pt.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit.", "dp.st."])
        .like(r"dp\.(?:pt|ct|sa|scim|audit|st(?:\.[a-z0-9_-]{2,35})?)\.[A-Za-z0-9]{40,44}")
        .finds(&["dp.ct.w0xQIbDyt0oKndW6RPd0E1vMclpmuw6wD36rFH4J3yq"])
        .leaves(&["dp.ct.w0xQIbDyt0oKndW6RPd0E1vMclpmuw6wD36rFH4"]),
    Detector::key("vault-token", "HashiCorp, Vault tokens")
        .at(&["hvs.", "hvb.", "hvr."])
        .like(r"hv[sbr]\.[A-Za-z0-9_-]{24,300}")
        .finds(&["hvb.1zbi5mZWIRhJqfi3OKxwXFGoxODK"])
        .leaves(&["hvb.1zbi5mZWIRhJqfi3OKxwXFG"]),
    Detector::key("terraform-token", "HashiCorp, HCP Terraform API tokens")
        .at(&[".atlasv1."])
        .like(r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}")
        .finds(&["RZFJaVaKO8B3tD.atlasv1.Vg8JjlbGoaJb3fQmsFS5YHRPaXEaXYsxTaHV5oMyUIww01n2EAxvz2bqX7j6"])
        .leaves(&["RZFJaVaKO8B3tD.atlasv1.Vg8JjlbGoaJb3fQmsFS5YHRPaXEaXYsxTaHV5oMyUIww01n2EAxvz2bqX7j"]),
    Detector::key("pulumi-token", "Pulumi, access tokens")
        .at(&["pul-"])
        .like(r"pul-[0-9a-f]{40}")
        .finds(&["pul-032a4c7c8fc90f09bad3665967d41a68d71034a6"])
        .leaves(&["pul-032a4c7c8fc90f09bad3665967d41a68d71034a"]),
    Detector::key("one-password-service-account", "1Password, service accounts")
        .at(&["ops_eyj"])
        .like(r"ops_eyJ[A-Za-z0-9+/]{250,1200}={0,3}")
        .finds(&["ops_eyJVRom8opaSC03EwaYl2e1FcjsKEIhfKtvJDmlylgu7BTRlyXjYtvVPslX1I8f3DbrcshcKDjR6eutdA1sJDRhAfdNQbNaZmZe3MPLk3noTEYArLTVq383f3ChBL7bauUKLbwnbouwiqiYW0OYdzRymcbwZIBpj8GgVosSPSXK6nLnfmtHXs6hlchnIMMx4ZBs3IhqNkqyNJ5d94WFvagvXZRCrConXAl8l23lk4soN68LDQBbLxLGQ3IJMCATUa="])
        .leaves(&["ops_eyJVRom8opaSC03EwaYl2e1FcjsKEIhfKtvJDmlylgu7BTRlyXjYtvVPslX1I8f3DbrcshcKDjR6eutdA1sJDRhAfdNQbNaZmZe3MPLk3noTEYArLTVq383f3ChBL7bauUKLbwnbouwiqiYW0OYdzRymcbwZIBpj8GgVosSPSXK6nLnfmtHXs6hlchnIMMx4ZBs3IhqNkqyNJ5d94WFvagvXZRCrConXAl8l23lk4soN68LDQBbLxLGQ3IJM"]),
    Detector::key("one-password-secret-key", "1Password, Secret Key")
        .like(r"A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}")
        .sure(0.9)
        .finds(&["A3-08LGAJ-12EOEU-8X18R-27QU9-VD6PJ-ZURAK"])
        .leaves(&["A3-08LGAJ-12EOEU-8X18R-27QU9-VD6PJ-ZURA"]),
    Detector::key("tailscale-key", "Tailscale, keys")
        .at(&["tskey-"])
        .like(r"tskey-[a-z]{3,8}-[A-Za-z0-9]{10,20}(?:-[A-Za-z0-9]{20,40})?")
        .finds(&["tskey-xugwht-9T85iE6UqJ-f4fFLRwGkbN2I3aHxl2a"])
        .leaves(&["tskey-xugwht-9T85iE6Uq"]),
    Detector::key("infracost-key", "Infracost, API keys")
        .at(&["ico-"])
        .like(r"ico-[A-Za-z0-9]{32}")
        .finds(&["ico-e2I8ygYLGRGGSr1kBZutfdH1l726k0qp"])
        .leaves(&["ico-e2I8ygYLGRGGSr1kBZutfdH1l726k0q"]),
    Detector::key("prefect-key", "Prefect, API keys")
        .at(&["pnu_", "pnb_"])
        .like(r"pn[ub]_[A-Za-z0-9]{36}")
        .finds(&["pnu_M4QG1C3v2C3RCmAYhfDIJSBAmOgJSGFUVSqp"])
        .leaves(&["pnu_M4QG1C3v2C3RCmAYhfDIJSBAmOgJSGFUVSq"]),
    Detector::key("openshift-token", "Red Hat, OpenShift OAuth tokens")
        .at(&["sha256~"])
        .like(r"sha256~[A-Za-z0-9_-]{43}")
        .finds(&["sha256~pJZrqXFU4aN1Qla00228rRhOQV8PV3yc8sBd3T78TjV"])
        .leaves(&["sha256~pJZrqXFU4aN1Qla00228rRhOQV8PV3yc8sBd3T78Tj"]),
    Detector::key("harness-key", "Harness, API keys")
        .at(&["pat.", "sat."])
        .like(r"[ps]at\.[A-Za-z0-9_-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}")
        .finds(&["pat.BezhFpvjGauK8QsFPCwYia.de59b34ad0223eb8e542add1.e6IWo2dG3nI1Ab0jlShY"])
        .leaves(&["pat.BezhFpvjGauK8QsFPCwYia.de59b34ad0223eb8e542add1.e6IWo2dG3nI1Ab0jlSh"]),
    Detector::key("confluent-secret", "Confluent, API keys")
        .at(&["cflt"])
        .like(r"cflt[A-Za-z0-9+/]{60}")
        .finds(&["cfltm7FKCqopELGy8vGA0GABBQXF9zCd3D1LGopyhr7fjluJrOdhIdIkbqkfopdr"])
        .leaves(&["cfltm7FKCqopELGy8vGA0GABBQXF9zCd3D1LGopyhr7fjluJrOdhIdIkbqkfopd"]),
    Detector::key("clickhouse-key", "ClickHouse Cloud, API keys")
        .at(&["4b1d"])
        .like(r"4b1d[A-Za-z0-9]{38}")
        .finds(&["4b1dhXt8vgEXPf9y2BYJuXsIp8uYMcaBdZ6nbwTsM0"])
        .leaves(&["4b1dhXt8vgEXPf9y2BYJuXsIp8uYMcaBdZ6nbwTsM"]),
    Detector::key("cloudflare-origin-key", "Cloudflare, Origin CA keys")
        .at(&["v1.0-"])
        .like(r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}")
        .finds(&["v1.0-b3310c3fd3e57e12c8f2ae23-519346704f886cdb675d5749aa39035289e9f7fa5760dbc66002b29f53d3c20d3f8d36be38b2958d71dcc88cc63afbe00b8057d44e15865b0d34864df7e545d84732f931258bd5b6be"])
        .leaves(&["v1.0-b3310c3fd3e57e12c8f2ae23-519346704f886cdb675d5749aa39035289e9f7fa5760dbc66002b29f53d3c20d3f8d36be38b2958d71dcc88cc63afbe00b8057d44e15865b0d34864df7e545d84732f931258bd5b6b"]),
    Detector::key("defined-networking-token", "Defined Networking, API tokens")
        .at(&["dnkey-"])
        .like(r"dnkey-[A-Za-z0-9=_-]{26}-[A-Za-z0-9=_-]{52}")
        .finds(&["dnkey-X4elPaIkBFfoa9WkdlacvCSfzA-t0VKeSizK7OJjqx3Hxf7zCoeThgibOYFCK82xdMWStubIJFaqu36"])
        .leaves(&["dnkey-X4elPaIkBFfoa9WkdlacvCSfzA-t0VKeSizK7OJjqx3Hxf7zCoeThgibOYFCK82xdMWStubIJFaqu3"]),
    Detector::key("age-secret-key", "age, the file encryption format")
        .at(&["age-secret-key-1"])
        .like(r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}")
        .summed(sums::bech32)
        .finds(&["AGE-SECRET-KEY-1ECVTW0G9SC9LV6DHCDFAT49975EZ3QMDH9AVARKGD2UTTZ8P27692M34UP"])
        .leaves(&["AGE-SECRET-KEY-1FTXXQURX5J0593VCKJHAFM98SYJ5UKA5JLKV0N8DAPFZE6QKKLP9G0KGL"]),
    Detector::key("scalingo-token", "Scalingo, API tokens")
        .at(&["tk-us-"])
        .like(r"tk-us-[A-Za-z0-9_-]{48}")
        .finds(&["tk-us-vFCdQeh9Vd81xoDSScmPWLpgrJPY9kA7U2F5GxpsC9CT46vl"])
        .leaves(&["tk-us-vFCdQeh9Vd81xoDSScmPWLpgrJPY9kA7U2F5GxpsC9CT46v"]),
    Detector::key("akamai-token", "Akamai, EdgeGrid credentials")
        .at(&["akab-"])
        .like(r"akab-[a-z0-9]{16}-[a-z0-9]{16}")
        .finds(&["akab-o3hq3mzftjr18g5c-mwbhoa46jn14f14e"])
        .leaves(&["akab-o3hq3mzftjr18g5c-mwbhoa46jn14f14"]),
    Detector::key("maxmind-licence-key", "MaxMind, licence keys")
        .at(&["_mmk"])
        .like(r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk")
        .finds(&["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"])
        .leaves(&["mwGzhX_UxAHLVvaQfhgF8r0mT3WsdKMgQXVp_mm"]),
    Detector::key("settlemint-token", "SettleMint, access tokens")
        .at(&["sm_pat_", "sm_aat_", "sm_sat_"])
        .like(r"sm_[pas]at_[A-Za-z0-9]{16}")
        .finds(&["sm_sat_zF9wS5AY8r9W03V8"])
        .leaves(&["sm_sat_zF9wS5AY8r9W03V"]),
];
