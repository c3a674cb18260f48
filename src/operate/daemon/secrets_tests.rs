//! The vault on a real registry: what operators do, and what a new start finds.

use super::*;

/// Runs what operators do on a thread that may block, as the local API does.
async fn blocking<T: Send + 'static>(
    secrets: &Arc<Secrets>,
    work: impl FnOnce(&Secrets) -> T + Send + 'static,
) -> T {
    let secrets = Arc::clone(secrets);
    tokio::task::spawn_blocking(move || work(&secrets)).await.unwrap()
}

async fn start(folder: &Path) -> Arc<Secrets> {
    let registry = Registry::open(folder).await.unwrap();
    Arc::new(Secrets::start(registry, folder, None).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_key_file_sealed_is_sealed_anew_by_a_credential_which_then_opens_it_alone() {
    let (folder, given) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let secrets = start(folder.path()).await;
    blocking(&secrets, |secrets| secrets.set(&query(&[("openai", "value", b"kept")]), "ann")).await.unwrap();
    drop(secrets);
    std::fs::write(given.path().join("clawgress-master-key"), [7; 32]).unwrap();
    let with_credential = || async {
        let registry = Registry::open(folder.path()).await.unwrap();
        Secrets::start(registry, folder.path(), Some(given.path())).await.unwrap()
    };
    let secrets = with_credential().await;
    assert_eq!(value(&secrets, "openai").as_deref(), Some(&b"kept"[..]));
    let check = secrets.check();
    assert_eq!(check.state, CheckState::Warn, "{}", check.found);
    assert!(check.repair.unwrap().ends_with("/master.key"), "the older key is to go");
    drop(secrets);
    std::fs::remove_file(folder.path().join("master.key")).unwrap();
    let secrets = with_credential().await;
    assert_eq!(value(&secrets, "openai").as_deref(), Some(&b"kept"[..]));
    assert_eq!((secrets.check().state, secrets.values()[0].version), (CheckState::Ok, 1));
    drop(secrets);
    // Without the credential there is a new key, and it opens nothing.
    assert_eq!(value(&*start(folder.path()).await, "openai"), None);
}

fn query(values: &[(&str, &str, &[u8])]) -> SetSecrets {
    let new = |(name, key, value): &(&str, &str, &[u8])| NewSecret {
        name: (*name).to_owned(),
        key: (*key).to_owned(),
        value: crate::operate::api::Hidden::of(value),
    };
    SetSecrets { secrets: values.iter().map(new).collect() }
}

fn value(secrets: &Secrets, name: &str) -> Option<Vec<u8>> {
    secrets.vault().value(name, None).ok().map(|secret| secret.open().to_vec())
}

fn needs(secrets: &Secrets) -> Vec<String> {
    secrets.needs(&Resources::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_name_a_secret_are_listed_with_it_and_needed_without_it() {
    let text = "
apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata: {name: default}
spec: {listeners: [{name: tls, protocol: TLS, tls: {mode: Terminate}}]}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: api}
spec: {parentRefs: [{kind: EgressGateway, name: default}], hostnames: [api.example], rules: [{matches: [{method: GET}]}]}
---
apiVersion: clawgress.io/v1alpha1
kind: CredentialInjectionPolicy
metadata: {name: api-key}
spec:
  parentRefs: [{kind: EgressHTTPRoute, name: api}]
  secretRef: {name: api}
  secretKey: token
  target: Header
  headerName: X-Api-Key
";
    let file = crate::model::manifest::SourceFile::new("a.yaml", text.as_bytes());
    let resources = crate::model::manifest::load(&[file]).map_err(|report| report.to_string()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secrets = start(folder.path()).await;
    let values = query(&[("api", "other", b"x"), ("free", "value", b"x")]);
    blocking(&secrets, move |secrets| secrets.set(&values, "ann")).await.unwrap();
    let warning = "CredentialInjectionPolicy `api-key` needs the secret `api/token`, which nobody has set";
    assert_eq!(secrets.needs(&resources), [format!("{warning}: clawgress secret set api --key token")]);
    let [missing] = &secrets.missing(&resources)[..] else { panic!("one warning") };
    assert_eq!((missing.severity, missing.line), (Severity::Warning, Some(12)));
    blocking(&secrets, |secrets| secrets.set(&query(&[("api", "token", b"x")]), "ann")).await.unwrap();
    assert!(secrets.needs(&resources).is_empty());
    let named: Vec<_> =
        secrets.list(&resources).into_iter().map(|one| (one.key, one.policies.join(" "))).collect();
    let expected = [("other", ""), ("token", "CredentialInjectionPolicy/api-key"), ("value", "")];
    assert_eq!(named, expected.map(|(key, policies)| (key.to_owned(), policies.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_is_in_force_at_once_and_after_a_new_start_until_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = start(folder.path()).await;
    for (version, text) in [(1, "first"), (2, "second")] {
        let set = blocking(&secrets, move |secrets| {
            secrets.set(&query(&[("openai", "value", text.as_bytes())]), "ann")
        });
        let set = set.await.unwrap();
        assert_eq!((set.len(), set[0].version, set[0].set_by.as_str()), (1, version, "ann"));
        assert_eq!(value(&secrets, "openai").as_deref(), Some(text.as_bytes()));
    }
    drop(secrets);
    let secrets = start(folder.path()).await;
    assert_eq!(value(&secrets, "openai").as_deref(), Some(&b"second"[..]));
    assert_eq!((needs(&secrets), secrets.check().state), (vec![], CheckState::Ok));
    let gone = blocking(&secrets, |secrets| secrets.remove("openai", None)).await.unwrap();
    assert_eq!(gone[0].title(), "openai/value");
    assert_eq!(value(&secrets, "openai"), None);
    let fault = blocking(&secrets, |secrets| secrets.remove("openai", Some("value"))).await.unwrap_err();
    assert_eq!(fault.message, "there is no secret `openai` with the key `value`");
    drop(secrets);
    assert!(start(folder.path()).await.values().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_values_all_are_set_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = start(folder.path()).await;
    let long = vec![b'x'; SECRET_BYTES + 1];
    for (bad, why) in [
        (("b", "value", &b""[..]), "the value of `b/value` is empty"),
        (("b", "value", &long[..]), "the value of `b/value` has 65537 bytes, more than 65536"),
        (("B", "value", b"x"), "this is not a name of a secret"),
        (("b", "a/b", b"x"), "this is not a key of a secret"),
        (("a", "value", b"x"), "`a/value` is given twice"),
    ] {
        let query = query(&[("a", "value", b"fine"), bad]);
        let fault = blocking(&secrets, move |secrets| secrets.set(&query, "ann")).await.unwrap_err();
        assert_eq!((fault.code, fault.message.as_str()), (FaultCode::Invalid, why));
    }
    let fault = blocking(&secrets, |secrets| secrets.set(&query(&[]), "ann")).await.unwrap_err();
    assert_eq!(fault.message, "no value is given");
    assert!(secrets.values().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_values_are_kept_than_the_bound_and_those_that_are_kept_can_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = start(folder.path()).await;
    let keys: Vec<String> = (0..SECRET_VALUES).map(|number| number.to_string()).collect();
    let all: Vec<_> = keys.iter().map(|key| ("a", key.as_str(), &b"x"[..])).collect();
    let all = query(&all);
    blocking(&secrets, move |secrets| secrets.set(&all, "ann")).await.unwrap();
    let fault =
        blocking(&secrets, |secrets| secrets.set(&query(&[("b", "value", b"x")]), "ann")).await.unwrap_err();
    assert_eq!(fault.message, "there would be 1025 values, more than 1024; nothing was set");
    blocking(&secrets, |secrets| secrets.set(&query(&[("a", "7", b"y")]), "ann")).await.unwrap();
    assert_eq!(secrets.values().len(), SECRET_VALUES);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_master_key_was_changed_the_daemon_runs_and_says_what_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = start(folder.path()).await;
    blocking(&secrets, |secrets| secrets.set(&query(&[("openai", "value", b"lost")]), "ann")).await.unwrap();
    drop(secrets);
    std::fs::remove_file(folder.path().join("master.key")).unwrap();
    let secrets = start(folder.path()).await;
    assert_eq!(value(&secrets, "openai"), None);
    let [need] = &needs(&secrets)[..] else { panic!("one need") };
    assert!(need.starts_with(
        "secrets that the master key does not open (openai/value): put the old master key back"
    ));
    assert!(need.ends_with("`clawgress secret set openai --key value`"), "{need}");
    let check = secrets.check();
    assert_eq!((check.state, check.repair.is_some()), (CheckState::Fail, true));
    blocking(&secrets, |secrets| secrets.set(&query(&[("openai", "value", b"anew")]), "ann")).await.unwrap();
    assert_eq!((value(&secrets, "openai").as_deref(), needs(&secrets)), (Some(&b"anew"[..]), vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_is_not_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = start(folder.path()).await;
    blocking(&secrets, |secrets| secrets.set(&query(&[("openai", "value", b"old")]), "ann")).await.unwrap();
    std::fs::remove_file(folder.path().join("registry.db")).unwrap();
    let set = blocking(&secrets, |secrets| secrets.set(&query(&[("openai", "value", b"new")]), "ann")).await;
    let fault = set.unwrap_err();
    assert_eq!(fault.code, FaultCode::Busy);
    assert!(fault.message.ends_with("; nothing was set"), "{}", fault.message);
    let fault = blocking(&secrets, |secrets| secrets.remove("openai", None)).await.unwrap_err();
    assert!(fault.message.ends_with("; nothing was removed"), "{}", fault.message);
    assert_eq!(value(&secrets, "openai").as_deref(), Some(&b"old"[..]));
}
