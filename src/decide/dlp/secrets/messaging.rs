//! Tokens of messaging, of mail and of telephony, and the addresses to which anyone may post.
//!
//! One entry for each kind, as `detector.rs` describes it; formats are those that providers publish. Values are invented.

use super::super::detector::Detector;

/// What there is to be found.
pub const CATALOGUE: &[Detector] = &[
    Detector::key("slack-bot-token", "Slack, Token types")
        .at(&["xoxb-"])
        .like(r"xoxb-[0-9]{8,14}-[A-Za-z0-9-]{18,64}")
        .finds(&["xoxb-778164925643-FsPRgSW8ffyWHPloSUx"])
        .leaves(&["xoxb-778164925643-FsPRgSW8ffyWHPloS"]),
    Detector::key("slack-user-token", "Slack, Token types")
        .at(&["xoxp-", "xoxe-"])
        .like(r"xox[pe]-(?:[0-9]{10,13}-){3}[A-Za-z0-9-]{28,34}")
        .finds(&["xoxe-813293919899-3164932995-72559225047-RrDR5LoPrjtHzEJlHK1sDS9dWmyy"])
        .leaves(&["xoxe-813293919899-3164932995-72559225047-RrDR5LoPrjtHzEJlHK1sDS9dWmy"]),
    Detector::key("slack-workspace-token", "Slack, Token types")
        .at(&["xoxa-", "xoxr-"])
        .like(r"xox[ar]-(?:[0-9]-)?[0-9A-Za-z]{8,48}(?:-[0-9A-Za-z]{8,48}){0,3}")
        .finds(&["xoxr-9-DpYv9eEXvLv-8WIxW31fO"])
        .leaves(&["xoxr-9-DpYv9eE"]),
    Detector::key("slack-legacy-token", "Slack, Token types")
        .at(&["xoxs-", "xoxo-"])
        .like(r"xox[so]-[0-9]{8,13}-[0-9]{8,13}-[0-9]{8,13}-[0-9a-fA-F]{10,64}")
        .finds(&["xoxo-5375242287-198797789-0223250857-eb7acC13DCb68F"])
        .leaves(&["xoxo-5375242287-198797789-0223250857-eb7acC13D"]),
    Detector::key("slack-app-token", "Slack, Token types")
        .at(&["xapp-"])
        .like(r"xapp-[0-9]-[A-Z0-9]{8,14}-[0-9]{8,14}-[a-z0-9]{48,80}")
        .finds(&["xapp-0-8ST220WOZPI-1756067646-y7qwc2h1txxlxj6jbgdr70ds4crjtz2us93qrm93obqdcei8d4k"])
        .leaves(&["xapp-0-8ST220WOZPI-1756067646-y7qwc2h1txxlxj6jbgdr70ds4crjtz2us93qrm93obqdcei"]),
    Detector::key("slack-configuration-token", "Slack, Token types")
        .at(&["xoxe.xox", "xoxe-1-"])
        .like(r"xoxe(?:\.xox[bp])?-[0-9]-[A-Za-z0-9]{120,170}")
        .finds(&["xoxe.xoxp-1-hQUhQLBQrRDsuh0Yc7ZYUPkWM9zcY34Qer0zDkxewdvj3o1H1XzvIxW3uWtBgnmN2hn9bM3fxCPkc8iYwoeh01BkQNONbKDmPKYVzITnLVFTfOjTRMQvCiFtivX"])
        .leaves(&["xoxe.xoxp-1-hQUhQLBQrRDsuh0Yc7ZYUPkWM9zcY34Qer0zDkxewdvj3o1H1XzvIxW3uWtBgnmN2hn9bM3fxCPkc8iYwoeh01BkQNONbKDmPKYVzITnLVFTfOjTRMQvCiF"]),
    Detector::key("slack-webhook", "Slack, Incoming webhooks")
        .at(&["hooks.slack.com/"])
        .like(r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{35,60}")
        .finds(&["hooks.slack.com/services/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"])
        .leaves(&["hooks.slack.com/services/T7QH2M4XB/B09ZK3WLR5D/pR8vQm2XcT6y"]),
    Detector::key("discord-webhook", "Discord, Webhook resource")
        .at(&["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"])
        .like(r"(?:discord|discordapp)\.com/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{60,80}")
        .finds(&["discord.com/api/webhooks/29969849772818241/xLJBlbKOILdfg5301s9qjFEyiZzx5jYonou4Hq9e2KTUrUPLVRv22uBfUMOw"])
        .leaves(&["discord.com/api/webhooks/29969849772818241/xLJBlbKOILdfg5301s9qjFEyiZzx5jYonou4Hq9e2KTUrUPLVRv22uBfUMO"]),
    Detector::key("teams-webhook", "Microsoft Teams, incoming webhooks")
        .at(&[".webhook.office.com/webhookb2/"])
        .like(r"\.webhook\.office\.com/webhookb2/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}@[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/IncomingWebhook/[0-9a-f]{32}/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
        .finds(&[".webhook.office.com/webhookb2/a4fff550-24d8-5d1e-a4b3-07da31e0301d@dc742e1a-1671-9697-c3f4-170bdf5d3ff5/IncomingWebhook/ba657b8920430524f9dff3767204a20d/ef76f76e-7359-58ef-15d3-a3aa0089b0dd"])
        .leaves(&[".webhook.office.com/webhookb2/a4fff550-24d8-5d1e-a4b3-07da31e0301d@dc742e1a-1671-9697-c3f4-170bdf5d3ff5/IncomingWebhook/ba657b8920430524f9dff3767204a20d/ef76f76e-7359-58ef-15d3-a3aa0089b0d"]),
    Detector::key("telegram-bot-token", "Telegram, Bot API")
        .at(&["0:aa", "1:aa", "2:aa", "3:aa", "4:aa", "5:aa", "6:aa", "7:aa", "8:aa", "9:aa"])
        .like(r"(?:[bB][oO][tT])?([0-9]{8,10}:AA[A-Za-z0-9_-]{33})")
        .finds(&["bot2142572236:AAXFD5Ea0I1iUxPbO2BGOGaMyNAP3q5WgX1"])
        .leaves(&["bot2142572236:AAXFD5Ea0I1iUxPbO2BGOGaMyNAP3q5WgX"]),
    Detector::key("sendgrid-key", "Twilio SendGrid, API keys")
        .at(&["sg.0", "sg.1", "sg.2", "sg.3", "sg.4", "sg.5", "sg.6", "sg.7", "sg.8", "sg.9", "sg.a", "sg.b", "sg.c", "sg.d", "sg.e", "sg.f", "sg.g", "sg.h", "sg.i", "sg.j", "sg.k", "sg.l", "sg.m", "sg.n", "sg.o", "sg.p", "sg.q", "sg.r", "sg.s", "sg.t", "sg.u", "sg.v", "sg.w", "sg.x", "sg.y", "sg.z", "sg._", "sg.-"])
        .like(r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}")
        .finds(&["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"])
        .leaves(&["SG.n5P5FSkvzM46BKAzRCWvti.NDMoFBIyD1sDs4vIYB2HzfmxMAe6xR7Tcsmi5kCVpa"]),
    Detector::key("mailgun-key", "Mailgun, API keys")
        .at(&["key-0", "key-1", "key-2", "key-3", "key-4", "key-5", "key-6", "key-7", "key-8", "key-9", "key-a", "key-b", "key-c", "key-d", "key-e", "key-f"])
        .like(r"key-[0-9a-f]{32}")
        .finds(&["key-f42f907729a6a7d14c15db8a2cd3628a"])
        .leaves(&["key-f42f907729a6a7d14c15db8a2cd3628"]),
    Detector::key("mailgun-public-key", "Mailgun, API keys")
        .at(&["pubkey-"])
        .like(r"pubkey-[0-9a-f]{32}")
        .finds(&["pubkey-6c6f117f214fa4795aa22139ab668ccd"])
        .leaves(&["pubkey-6c6f117f214fa4795aa22139ab668cc"]),
    Detector::key("mailgun-signing-key", "Mailgun, webhook signing keys")
        .like(r"[0-9a-h]{32}-[0-9a-h]{8}-[0-9a-h]{8}")
        .sure(0.8)
        .finds(&["c6144456abd145c42b9h77613fe599f3-b496ahgf-4391a96g"])
        .leaves(&["c6144456abd145c42b9h77613fe599f3-b496ahgf-4391a96"]),
    Detector::key("mailchimp-key", "Mailchimp, API keys")
        .at(&["-us0", "-us1", "-us2", "-us3", "-us4", "-us5", "-us6", "-us7", "-us8", "-us9"])
        .like(r"[0-9a-f]{32}-us[0-9]{1,2}")
        .finds(&["049d4a720d7f14845b6da326fd923f06-us8"])
        .leaves(&["049d4a720d7f14845b6da326fd923f06-us"]),
    Detector::key("brevo-key", "Brevo, API keys")
        .at(&["xkeysib-", "xsmtpsib-"])
        .like(r"x(?:key|smtp)sib-[0-9a-f]{64}-[A-Za-z0-9]{16}")
        .finds(&["xsmtpsib-5f8bf588fcf004950014c1103107c6de65724c389950266e2c55fa6cb6bd62d4-Iw8b1A2B0LMcZtkW"])
        .leaves(&["xsmtpsib-5f8bf588fcf004950014c1103107c6de65724c389950266e2c55fa6cb6bd62d4-Iw8b1A2B0LMcZtk"]),
    Detector::key("resend-key", "Resend, API keys")
        .at(&["re_0", "re_1", "re_2", "re_3", "re_4", "re_5", "re_6", "re_7", "re_8", "re_9", "re_a", "re_b", "re_c", "re_d", "re_e", "re_f", "re_g", "re_h", "re_i", "re_j", "re_k", "re_l", "re_m", "re_n", "re_o", "re_p", "re_q", "re_r", "re_s", "re_t", "re_u", "re_v", "re_w", "re_x", "re_y", "re_z"])
        .like(r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}")
        .finds(&["re_Qw7zphap_kNcB3a8sj1Z0OoZdyJnRZLn7"])
        .leaves(&["re_Qw7zphap_kNcB3a8sj1Z0OoZdyJnRZLn"]),
    Detector::key("firebase-server-key", "Firebase, cloud messaging")
        .at(&[":apa91b"])
        .like(r"[A-Za-z0-9_-]{11}:APA91b[A-Za-z0-9_-]{134}")
        .finds(&["dToZh3EqMSJ:APA91b5qhDYT1Rn3rGcyyO0OXaztfmg8LxW8Haw9biYeKRG91eLVe1WQkFu7VtjAL46P3s4LOIZ13x5lOkIzKcyaXYHhIaBIfqZJFtepGpc85aGGS4ODUc16jlZcOnUPKGYSRW8TLxD9"])
        .leaves(&["dToZh3EqMSJ:APA91b5qhDYT1Rn3rGcyyO0OXaztfmg8LxW8Haw9biYeKRG91eLVe1WQkFu7VtjAL46P3s4LOIZ13x5lOkIzKcyaXYHhIaBIfqZJFtepGpc85aGGS4ODUc16jlZcOnUPKGYSRW8TLxD"]),
    Detector::key("dingtalk-webhook", "DingTalk, custom robots")
        .at(&["oapi.dingtalk.com/robot/send?access_token="])
        .like(r"oapi\.dingtalk\.com/robot/send\?access_token=([0-9a-f]{64})")
        .finds(&["oapi.dingtalk.com/robot/send?access_token=38d539cdac576e33d9475f0a618c81025b44a742da57f20d701abcdf69bfd5c3"])
        .leaves(&["oapi.dingtalk.com/robot/send?access_token=38d539cdac576e33d9475f0a618c81025b44a742da57f20d701abcdf69bfd5c"]),
    Detector::key("wecom-webhook", "WeCom, group robots")
        .at(&["qyapi.weixin.qq.com/cgi-bin/webhook/send?key="])
        .like(r"qyapi\.weixin\.qq\.com/cgi-bin/webhook/send\?key=([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
        .finds(&["qyapi.weixin.qq.com/cgi-bin/webhook/send?key=395dede4-ddfe-c5c3-3552-d0c5335ca7cb"])
        .leaves(&["qyapi.weixin.qq.com/cgi-bin/webhook/send?key=395dede4-ddfe-c5c3-3552-d0c5335ca7c"]),
    Detector::key("lark-webhook", "Lark, custom bots")
        .at(&["/open-apis/bot/v2/hook/"])
        .like(r"/open-apis/bot/v2/hook/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
        .finds(&["/open-apis/bot/v2/hook/dea85da1-a2d9-9d03-e246-5318375ffa7b"])
        .leaves(&["/open-apis/bot/v2/hook/dea85da1-a2d9-9d03-e246-5318375ffa7"]),
    Detector::key("zapier-webhook", "Zapier, webhooks")
        .at(&["hooks.zapier.com/hooks/catch/"])
        .like(r"hooks\.zapier\.com/hooks/catch/[0-9]{4,10}/[a-z0-9]{5,12}")
        .finds(&["hooks.zapier.com/hooks/catch/81085762/zpuydk9"])
        .leaves(&["hooks.zapier.com/hooks/catch/81085762/zpuy"]),
];
