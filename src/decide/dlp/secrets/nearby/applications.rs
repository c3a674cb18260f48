//! Keys of what people work with, by its name before them: messages, payments, markets, sign-in, builds, applications.
//!
//! One entry for each service. Where the value of an assignment fits several, the first stays. Values are invented.

use super::super::super::detector::Detector;

/// What there is to be found.
pub const CATALOGUE: &[Detector] = &[
    Detector::key("twilio-key", "Twilio, API keys")
        .like(r"(?:SK|AC)?[0-9a-f]{32}")
        .near(&["twilio"])
        .finds(&["5baf9ef6a786c41d91365b21e9f50cb9"])
        .leaves(&["5baf9ef6a786c41d91365b21e9f50cb"]),
    Detector::key("discord-token", "Discord, OAuth2 and bots")
        .like(r"(?:[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}|[0-9a-f]{64}|[A-Za-z0-9_-]{32})")
        .near(&["discord"])
        .finds(&["MHEOMED7AI4pjW3OS7d1ClGSY1.Im295i.QuVgA9iX42akVYL6nD9Wtztlu4s"])
        .leaves(&["MHEOMED7AI4pjW3OS7d1ClGSY1.Im295i.QuVgA9iX42akVYL6nD9Wtztlu4"]),
    Detector::key("messagebird-key", "MessageBird, access keys")
        .like(r"(?:[A-Za-z0-9]{25}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
        .near(&["messagebird", "message-bird", "message_bird"])
        .finds(&["d341fc2f-e060-2ede-b932-268f812fa322"])
        .leaves(&["d341fc2f-e060-2ede-b932-268f812fa32"]),
    Detector::key("postmark-token", "Postmark, server tokens")
        .like(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
        .near(&["postmark"])
        .finds(&["da03bccd-c17f-751e-8fb2-e605a8631654"])
        .leaves(&["da03bccd-c17f-751e-8fb2-e605a863165"]),
    Detector::key("sendbird-token", "Sendbird, API tokens")
        .like(r"(?:[0-9a-f]{40}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
        .near(&["sendbird"])
        .finds(&["6f663f3ad012b0d44329e0a84d828451c7bba0c4"])
        .leaves(&["6f663f3ad012b0d44329e0a84d828451c7bba0c"]),
    Detector::key("mattermost-token", "Mattermost, personal access tokens")
        .like(r"[a-z0-9]{26}")
        .near(&["mattermost"])
        .finds(&["om8lyjritmjqijgmx9lafr3dt3"])
        .leaves(&["om8lyjritmjqijgmx9lafr3dt"]),
    Detector::key("pusher-secret", "Pusher, app keys")
        .like(r"[0-9a-f]{20}")
        .near(&["pusher"])
        .finds(&["4ffedee2283d6b43ece6"])
        .leaves(&["4ffedee2283d6b43ece"]),
    Detector::key("intercom-token", "Intercom, access tokens")
        .like(r"[A-Za-z0-9=_]{60}")
        .near(&["intercom"])
        .finds(&["1HDEMe5EBHQr51o6KXjsVXW7REFHNfZshKRnkedazNxhahAvyDa6bKOcckPi"])
        .leaves(&["1HDEMe5EBHQr51o6KXjsVXW7REFHNfZshKRnkedazNxhahAvyDa6bKOcckP"]),
    Detector::key("twitch-token", "Twitch, OAuth tokens")
        .like(r"[a-z0-9]{30}")
        .near(&["twitch"])
        .finds(&["pjf87t5uodjv4izibh5kyxa5owylsn"])
        .leaves(&["pjf87t5uodjv4izibh5kyxa5owyls"]),
    Detector::key("vonage-secret", "Vonage, API secrets")
        .like(r"[A-Za-z0-9]{16}")
        .near(&["vonage", "nexmo"])
        .finds(&["c413AF3MNTE6rGjw"])
        .leaves(&["c413AF3MNTE6rGj"]),
    Detector::key("adyen-key", "Adyen, API credentials")
        .like(r"AQE[a-z][A-Za-z0-9+/=.-]{60,250}")
        .near(&["adyen"])
        .finds(&["AQEy45gAfBWiOKiDL3F0svFW0gCxvNDT8zEvwujizgUpoCG1LjKmds1XVZlsXWAuyUJ"])
        .leaves(&["AQEy45gAfBWiOKiDL3F0svFW0gCxvNDT8zEvwujizgUpoCG1LjKmds1XVZlsXWA"]),
    Detector::key("paypal-secret", "PayPal, REST API credentials")
        .like(r"E[A-Za-z0-9_-]{79}")
        .near(&["paypal"])
        .finds(&["EdiOQVWdZVqozr422tw60VwraJBmjDLD2ybX4zJy4wZHrpa7jjDYvwiqx8DZyJzLwyOIFZ1GGPz53tEU"])
        .leaves(&["EdiOQVWdZVqozr422tw60VwraJBmjDLD2ybX4zJy4wZHrpa7jjDYvwiqx8DZyJzLwyOIFZ1GGPz53tE"]),
    Detector::key("plaid-secret", "Plaid, API keys")
        .like(r"(?:[0-9a-f]{24}|[0-9a-f]{30})")
        .near(&["plaid"])
        .finds(&["46b7c54045667fd1703b3baa8c125b"])
        .leaves(&["46b7c54045667fd1703b3ba"]),
    Detector::key("coinbase-key", "Coinbase, API keys")
        .like(r"(?:[A-Za-z0-9_-]{64}|[A-Za-z0-9]{16,32})")
        .near(&["coinbase"])
        .finds(&["gT2cYRAXvEXVqQ3D2nVI"])
        .leaves(&["gT2cYRAXvEXVqQ3"]),
    Detector::key("binance-key", "Binance, API keys")
        .like(r"[A-Za-z0-9]{64}")
        .near(&["binance"])
        .finds(&["OFFokIWfOcvjHjyFsJ680CXrw8EKKu9djB2RF2CSPVFE9AjUbKusXAyOs0n3YwKF"])
        .leaves(&["OFFokIWfOcvjHjyFsJ680CXrw8EKKu9djB2RF2CSPVFE9AjUbKusXAyOs0n3YwK"]),
    Detector::key("kraken-key", "Kraken, API keys")
        .like(r"[A-Za-z0-9/+]{80,90}={0,2}")
        .near(&["kraken"])
        .finds(&["GK8PLbEUUoxRj3n02U0oH6YlrZgExTgaXqBltZ1P3x0caykKKCGKVvool2uB2y7tjNb0FWYLRIhVGzm2CCz="])
        .leaves(&["GK8PLbEUUoxRj3n02U0oH6YlrZgExTgaXqBltZ1P3x0caykKKCGKVvool2uB2y7tjNb0FWYLRIhVGzm"]),
    Detector::key("kucoin-key", "KuCoin, API keys")
        .like(r"(?:[0-9a-f]{24}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
        .near(&["kucoin"])
        .finds(&["5c5c52d6-6623-e7a1-0fda-4e2f87e9778a"])
        .leaves(&["5c5c52d6-6623-e7a1-0fda-4e2f87e9778"]),
    Detector::key("etherscan-key", "Etherscan, API keys")
        .like(r"[A-Z0-9]{34}")
        .near(&["etherscan"])
        .finds(&["ADGCUFA5WB0OY9K0IQMBIOWNH29NZGAFDD"])
        .leaves(&["ADGCUFA5WB0OY9K0IQMBIOWNH29NZGAFD"]),
    Detector::key("infura-key", "Infura, API keys")
        .like(r"[0-9a-f]{32}")
        .near(&["infura"])
        .finds(&["68c4660f4210c982385906dab884dcc9"])
        .leaves(&["68c4660f4210c982385906dab884dcc"]),
    Detector::key("lob-key", "Lob, API keys")
        .like(r"(?:live|test)_(?:pub_)?[0-9a-f]{31,35}")
        .near(&["lob_", "lobkey", "lob-"])
        .finds(&["test_137d43ff689ffa27cee80a2519d1b37"])
        .leaves(&["test_137d43ff689ffa27cee80a2519d1b3"]),
    Detector::key("okta-token", "Okta, API tokens")
        .like(r"00[A-Za-z0-9_-]{40}")
        .near(&["okta"])
        .finds(&["00UqiCnlsZtwDKy4aoJXc7K2JClJN4Mzt7kNIX9UVw"])
        .leaves(&["00UqiCnlsZtwDKy4aoJXc7K2JClJN4Mzt7kNIX9UV"]),
    Detector::key("auth0-secret", "Auth0, application credentials")
        .like(r"[A-Za-z0-9_-]{64}")
        .near(&["auth0"])
        .finds(&["beBgahcsq1tkmBBKduh10moBh4imeMAIrDidZWLbJoKkxpdL4IkIvoIG2wikARdA"])
        .leaves(&["beBgahcsq1tkmBBKduh10moBh4imeMAIrDidZWLbJoKkxpdL4IkIvoIG2wikARd"]),
    Detector::key("snowflake-token", "Snowflake, programmatic access tokens")
        .like(r"[A-Za-z0-9_.-]{40,256}")
        .near(&["snowflake"])
        .finds(&["MsQT9YW775lk1EuhxAqEizjQrCI0iGIC5VpLFcsPerV"])
        .leaves(&["MsQT9YW775lk1EuhxAqEizjQrCI0iGIC5VpLFcs"]),
    Detector::key("confluent-key", "Confluent, API keys")
        .like(r"(?:[A-Z0-9]{16}|[A-Za-z0-9+/]{64})")
        .near(&["confluent"])
        .finds(&["0QCTLN6CP5DWS5A7"])
        .leaves(&["0QCTLN6CP5DWS5A"]),
    Detector::key("heroku-key", "Heroku, platform API keys")
        .like(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
        .near(&["heroku"])
        .finds(&["ffd88ca7-b3de-0558-656d-22a99e471029"])
        .leaves(&["ffd88ca7-b3de-0558-656d-22a99e47102"]),
    Detector::key("vercel-token", "Vercel, access tokens")
        .like(r"[A-Za-z0-9]{24}")
        .near(&["vercel"])
        .finds(&["dzVf7dH4QC0kITysUfvPSyi4"])
        .leaves(&["dzVf7dH4QC0kITysUfvPSyi"]),
    Detector::key("railway-token", "Railway, project tokens")
        .like(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
        .near(&["railway"])
        .finds(&["eb33f2fb-0241-8f3f-6da1-7dcead6b2770"])
        .leaves(&["eb33f2fb-0241-8f3f-6da1-7dcead6b277"]),
    Detector::key("ngrok-token", "ngrok, auth tokens")
        .like(r"[0-9A-Za-z]{27}_[0-9A-Za-z]{21}")
        .near(&["ngrok"])
        .finds(&["jLDTaRhNxPJ4oTRcsHUIcNxAuR2_u0p2itgxLD1gF0YbEdkuY"])
        .leaves(&["jLDTaRhNxPJ4oTRcsHUIcNxAuR2_u0p2itgxLD1gF0YbEdku"]),
    Detector::key("vault-legacy-token", "HashiCorp, Vault tokens before 1.10")
        .like(r"s\.[A-Za-z0-9]{24}")
        .near(&["vault"])
        .finds(&["s.VHf0jtzOkbldb2GLrS0QrG1v"])
        .leaves(&["s.VHf0jtzOkbldb2GLrS0QrG1"]),
    Detector::key("launchdarkly-key", "LaunchDarkly, API access tokens")
        .like(r"(?:(?:api|sdk|mob)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[A-Za-z0-9=_-]{40})")
        .near(&["launchdarkly"])
        .finds(&["api-08bd32ab-1720-c954-aa1d-fa2da50bc8f4"])
        .leaves(&["api-08bd32ab-1720-c954-aa1d-fa2da50bc8f"]),
    Detector::key("meraki-key", "Cisco, Meraki API keys")
        .like(r"[0-9a-f]{40}")
        .near(&["meraki"])
        .finds(&["0b6091f1b48dc5ff2ba90c0b1167f7b24fbaba22"])
        .leaves(&["0b6091f1b48dc5ff2ba90c0b1167f7b24fbaba2"]),
    Detector::key("atlassian-legacy-token", "Atlassian, API tokens before 2023")
        .like(r"[A-Za-z0-9]{24}")
        .near(&["atlassian", "confluence", "jira"])
        .finds(&["aJRPHmWLcRmRzjrmAIcItFV7"])
        .leaves(&["aJRPHmWLcRmRzjrmAIcItFV"]),
    Detector::key("bitbucket-secret", "Atlassian, Bitbucket OAuth consumers")
        .like(r"[A-Za-z0-9_=-]{32,64}")
        .near(&["bitbucket"])
        .finds(&["PKz5oscE5izq5EekoUAiqEydufwZftIy"])
        .leaves(&["PKz5oscE5izq5EekoUAiqEydufwZftI"]),
    Detector::key("codecov-token", "Codecov, upload tokens")
        .like(r"(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[a-z0-9]{32})")
        .near(&["codecov"])
        .finds(&["64ec5543-e91d-c586-67bd-9a8a95e94edd"])
        .leaves(&["64ec5543-e91d-c586-67bd-9a8a95e94ed"]),
    Detector::key("travis-token", "Travis CI, API tokens")
        .like(r"[A-Za-z0-9_-]{22}")
        .near(&["travis"])
        .finds(&["8ceDuLwt9QSiYzszpDXUvC"])
        .leaves(&["8ceDuLwt9QSiYzszpDXUv"]),
    Detector::key("drone-token", "Drone CI, personal tokens")
        .like(r"[A-Za-z0-9]{32}")
        .near(&["drone"])
        .finds(&["rg2YyYy9KAbcyTZvzguCHMuygZXeU6nP"])
        .leaves(&["rg2YyYy9KAbcyTZvzguCHMuygZXeU6n"]),
    Detector::key("snyk-key", "Snyk, API tokens")
        .like(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
        .near(&["snyk"])
        .finds(&["832c2ea7-402b-b07a-23a3-742825e4445a"])
        .leaves(&["832c2ea7-402b-b07a-23a3-742825e4445"]),
    Detector::key("sonar-legacy-token", "SonarQube, tokens before 9.5")
        .like(r"[0-9a-f]{40}")
        .near(&["sonar"])
        .finds(&["85990fbebf18536e4c52a028bbfe1e70ebbcef67"])
        .leaves(&["85990fbebf18536e4c52a028bbfe1e70ebbcef6"]),
    Detector::key("algolia-key", "Algolia, API keys")
        .like(r"[0-9a-f]{32}")
        .near(&["algolia"])
        .finds(&["912d7320f76b9c4141183fef1387071d"])
        .leaves(&["912d7320f76b9c4141183fef1387071"]),
    Detector::key("airtable-key", "Airtable, API keys before 2024")
        .like(r"(?:key)?[A-Za-z0-9]{14,17}")
        .near(&["airtable"])
        .finds(&["keyuAfxZEGG1Uzh1SOo"])
        .leaves(&["keyuAfxZEGG1U"]),
    Detector::key("asana-secret", "Asana, OAuth applications")
        .like(r"[A-Za-z0-9]{32}")
        .near(&["asana"])
        .finds(&["EWGfvWzoEwBeb1Zmgss1D6LEglnq173V"])
        .leaves(&["EWGfvWzoEwBeb1Zmgss1D6LEglnq173"]),
    Detector::key("trello-key", "Atlassian, Trello API keys")
        .like(r"[A-Za-z0-9]{32}")
        .near(&["trello"])
        .finds(&["q5CowcsqZBm6mOHGBOAVnJvs4R35Zg6h"])
        .leaves(&["q5CowcsqZBm6mOHGBOAVnJvs4R35Zg6"]),
    Detector::key("zendesk-token", "Zendesk, API tokens")
        .like(r"[A-Za-z0-9]{40}")
        .near(&["zendesk"])
        .finds(&["YTeVFWW92wuSBlKfw8UmMDgOlDBlGLiyIBW9DK9D"])
        .leaves(&["YTeVFWW92wuSBlKfw8UmMDgOlDBlGLiyIBW9DK9"]),
    Detector::key("facebook-secret", "Meta, app secrets")
        .like(r"[0-9a-f]{32}")
        .near(&["facebook"])
        .finds(&["fe4cab3f7b5117ea914fc27f49c528f0"])
        .leaves(&["fe4cab3f7b5117ea914fc27f49c528f"]),
    Detector::key("x-api-key", "X, API keys and secrets")
        .like(r"(?:[A-Za-z0-9]{25}|[A-Za-z0-9]{45}|[A-Za-z0-9]{50}|[0-9]{15,25}-[A-Za-z0-9]{20,40})")
        .near(&["twitter"])
        .finds(&["QNit1eMq7edDGeQqoseB0D60LloBOx6tY18ENQlc9I7S9ygYW1"])
        .leaves(&["QNit1eMq7edDGeQqoseB0D60"]),
    Detector::key("linkedin-secret", "LinkedIn, OAuth applications")
        .like(r"[A-Za-z0-9]{14,16}")
        .near(&["linkedin", "linked_in", "linked-in"])
        .finds(&["3jrmWJiVSDlKEP"])
        .leaves(&["3jrmWJiVSDlKE"]),
    Detector::key("flickr-key", "Flickr, API keys")
        .like(r"[0-9a-f]{16,32}")
        .near(&["flickr"])
        .finds(&["04fb39b3c1fb9b90"])
        .leaves(&["04fb39b3c1fb9b9"]),
    Detector::key("looker-secret", "Google, Looker API credentials")
        .like(r"[A-Za-z0-9]{20,24}")
        .near(&["looker"])
        .finds(&["e1Y37UYMgghiJbG1v59GF"])
        .leaves(&["e1Y37UYMgghiJbG1v59"]),
    Detector::key("squarespace-key", "Squarespace, API keys")
        .like(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
        .near(&["squarespace"])
        .finds(&["9375e071-4dd3-a50a-2f65-81a2482c8ef5"])
        .leaves(&["9375e071-4dd3-a50a-2f65-81a2482c8ef"]),
    Detector::key("dropbox-secret", "Dropbox, app keys and secrets")
        .like(r"[a-z0-9]{15}")
        .near(&["dropbox"])
        .finds(&["vntzn7dq41ob8rx"])
        .leaves(&["vntzn7dq41ob8r"]),
    Detector::key("contentful-key", "Contentful, delivery API")
        .like(r"[A-Za-z0-9=_-]{43}")
        .near(&["contentful"])
        .finds(&["Jv427tBdQr6rcZ1MdtwkBavdWJRvf0AiQgF9a6MOoLW"])
        .leaves(&["Jv427tBdQr6rcZ1MdtwkBavdWJRvf0AiQgF9a6MOoL"]),
    Detector::key("rapidapi-key", "RapidAPI, keys")
        .like(r"[A-Za-z0-9_-]{50}")
        .near(&["rapidapi"])
        .finds(&["Nn1nOEnW1xiGorkT3t3PnP67pFP84M42QguTghdQ3RvzWxXW66"])
        .leaves(&["Nn1nOEnW1xiGorkT3t3PnP67pFP84M42QguTghdQ3RvzWxXW6"]),
    Detector::key("spotify-secret", "Spotify, client credentials")
        .like(r"[0-9a-f]{32}")
        .near(&["spotify"])
        .finds(&["19ed2f97db2a3ee0f9dfd076a4405ee8"])
        .leaves(&["19ed2f97db2a3ee0f9dfd076a4405ee"]),
    Detector::key("okx-key", "OKX, API keys")
        .like(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
        .near(&["okx", "okex"])
        .finds(&["6e8ba92f-514b-375c-6236-c8404abdaf59"])
        .leaves(&["6e8ba92f-514b-375c-6236-c8404abdaf5"]),
    Detector::key("shodan-key", "Shodan, API keys")
        .like(r"[A-Za-z0-9]{32}")
        .near(&["shodan"])
        .finds(&["BiQYz5N8mCPgXv1zws8EeftMAHaVDu6a"])
        .leaves(&["BiQYz5N8mCPgXv1zws8EeftMAHaVDu6"]),
    Detector::key("virustotal-key", "VirusTotal, API keys")
        .like(r"[0-9a-f]{64}")
        .near(&["virustotal"])
        .finds(&["3fe30d08107847a299dd8c624c7dbb9cf2bef86cb591d5be2893fe203fff5441"])
        .leaves(&["3fe30d08107847a299dd8c624c7dbb9cf2bef86cb591d5be2893fe203fff544"]),
    Detector::key("weather-key", "OpenWeather, API keys")
        .like(r"[0-9a-f]{32}")
        .near(&["openweather"])
        .finds(&["b20eb2bc7838835aeb71b4710d3f0e7f"])
        .leaves(&["b20eb2bc7838835aeb71b4710d3f0e7"]),
    Detector::key("maps-key", "HERE, API keys")
        .like(r"[A-Za-z0-9_-]{43}")
        .near(&["here_api", "heremaps"])
        .finds(&["jTy1Tf1rTBaIYMjgAtOHabP6n1WnA7wMMUUcQR8b9jf"])
        .leaves(&["jTy1Tf1rTBaIYMjgAtOHabP6n1WnA7wMMUUcQR8b9j"]),
    Detector::key("finnhub-key", "Finnhub, API keys")
        .like(r"[A-Za-z0-9]{20}")
        .near(&["finnhub"])
        .finds(&["jwdGbnxuJZQPKW8OElN7"])
        .leaves(&["jwdGbnxuJZQPKW8OElN"]),
    Detector::key("nytimes-key", "The New York Times, developer API")
        .like(r"[A-Za-z0-9]{32}")
        .near(&["nytimes", "newyorktimes"])
        .finds(&["peNFmGPzCIj7xafyPfkhiqwPxEa45015"])
        .leaves(&["peNFmGPzCIj7xafyPfkhiqwPxEa4501"]),
    Detector::key("beamer-key", "Beamer, API keys")
        .like(r"b_[A-Za-z0-9=_-]{44}")
        .near(&["beamer"])
        .finds(&["b_X2tvW4y1rzXFS0xKz58OAcojAq4iZJVfD6kahlpEzfKr"])
        .leaves(&["b_X2tvW4y1rzXFS0xKz58OAcojAq4iZJVfD6kahlpEzfK"]),
    Detector::key("zoom-secret", "Zoom, OAuth applications")
        .like(r"[A-Za-z0-9]{32}")
        .near(&["zoom"])
        .finds(&["DZsJeUfiCDf22zhmDoRDF6vYDBXoIFOg"])
        .leaves(&["DZsJeUfiCDf22zhmDoRDF6vYDBXoIFO"]),
];
