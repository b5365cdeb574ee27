//! What a seal withstands: moved, changed or foreign, it does not open.
#![allow(clippy::unwrap_used)]

use potluck_gemini::ApiKey;
use potluck_gemini::credential::AccessToken;
use potluck_vault::{MasterKey, OpenError, Recognised, Sealed, Vault, draw_invite, draw_token};
use proptest::prelude::*;

const ROW: [u8; 16] = [7; 16];

fn vault() -> (MasterKey, Vault) {
    let master = MasterKey::generate().unwrap();
    let vault = Vault::new(&master);
    (master, vault)
}

fn key(tail: char) -> ApiKey {
    ApiKey::parse(&format!("AIzaSyTestTestTestTestTestTestTestTest{tail}")).unwrap()
}

#[test]
fn a_sealed_key_opens_in_its_row() {
    let (_, vault) = vault();

    let sealed = vault.seal(&ROW, &key('a')).unwrap();
    let read_back = Sealed::from_bytes(sealed.as_bytes());

    assert_eq!(vault.open(&ROW, &read_back).unwrap().expose(), key('a').expose());
}

#[test]
fn a_vault_made_anew_from_the_text_form_opens_what_the_first_sealed() {
    let (master, vault) = vault();
    let sealed = vault.seal(&ROW, &key('a')).unwrap();

    let again = Vault::new(&MasterKey::parse(&master.text()).unwrap());

    assert_eq!(again.open(&ROW, &sealed).unwrap().expose(), key('a').expose());
    assert_eq!(again.key_id(&key('a')), vault.key_id(&key('a')));
    assert_eq!(again.check(), vault.check());
}

#[test]
fn tokens_and_invites_are_found_again_after_the_master_key_was_replaced() {
    let (former, vault) = vault();
    let token = AccessToken::parse(&draw_token().unwrap()).unwrap();
    let code = draw_invite().unwrap();
    let id = vault.token_ids(&token).next().unwrap();
    assert_ne!(Some(id), vault.invite_ids(token.expose()).next(), "each kind has its own hash");

    let later = Vault::with_older(&MasterKey::generate().unwrap(), &[former]);

    assert!(later.token_ids(&token).any(|one| one == id));
    assert!(later.invite_ids(&code).any(|one| Some(one) == vault.invite_ids(&code).next()));
    assert_ne!(later.token_ids(&token).next(), Some(id));
    assert!(ApiKey::parse(&code).is_err() && ApiKey::parse(token.expose()).is_err());
}

#[test]
fn a_seal_moved_to_another_row_is_refused() {
    let (_, vault) = vault();
    let sealed = vault.seal(&ROW, &key('a')).unwrap();

    assert_eq!(vault.open(&[8; 16], &sealed).err(), Some(OpenError::Tampered));
}

#[test]
fn another_master_key_opens_nothing() {
    let (_, ours) = vault();
    let (_, theirs) = vault();
    let sealed = ours.seal(&ROW, &key('a')).unwrap();

    assert_eq!(theirs.open(&ROW, &sealed).err(), Some(OpenError::Tampered));
    assert_eq!(theirs.recognises(&ours.check()), Recognised::Foreign);
    assert_ne!(theirs.key_id(&key('a')), ours.key_id(&key('a')));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let (_, vault) = vault();
    let sealed = vault.seal(&ROW, &key('a')).unwrap();

    for bit in 0..sealed.as_bytes().len() * 8 {
        let mut bytes = sealed.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(vault.open(&ROW, &Sealed::from_bytes(bytes)).is_err(), "bit {bit}");
    }
}

#[test]
fn every_cut_is_noticed() {
    let (_, vault) = vault();
    let sealed = vault.seal(&ROW, &key('a')).unwrap();

    for length in 0..sealed.as_bytes().len() {
        let cut = Sealed::from_bytes(&sealed.as_bytes()[..length]);
        assert_eq!(vault.open(&ROW, &cut).err(), Some(OpenError::Tampered), "{length} bytes");
    }
}

#[test]
fn two_seals_of_one_key_share_nothing_but_their_length() {
    let (_, vault) = vault();
    let one = vault.seal(&ROW, &key('a')).unwrap();
    let other = vault.seal(&ROW, &key('a')).unwrap();

    assert_ne!(one.as_bytes()[1..25], other.as_bytes()[1..25]);
    assert_ne!(one.as_bytes()[25..], other.as_bytes()[25..]);
}

#[test]
fn a_tombstone_is_not_the_id() {
    let (_, vault) = vault();
    assert_ne!(vault.tombstone(&key('a')), vault.key_id(&key('a')));
    assert_ne!(vault.tombstone(&key('a')), vault.tombstone(&key('b')));
}

#[test]
fn older_master_keys_still_open_verify_and_find_tombstones() {
    let (older, before) = vault();
    let sealed = before.seal(&ROW, &key('a')).unwrap();
    let signature = before.sign("upload", b"path");

    let after = Vault::with_older(&MasterKey::generate().unwrap(), &[older]);

    assert_eq!(after.open(&ROW, &sealed).unwrap().expose(), key('a').expose());
    assert!(after.verify("upload", b"path", &signature));
    assert!(after.tombstones(&key('a')).any(|stone| stone == before.tombstone(&key('a'))));
    assert_eq!(after.recognises(&before.check()), Recognised::Older);
    assert_eq!(after.recognises(&after.check()), Recognised::Current);
    let anew = after.seal(&ROW, &key('a')).unwrap();
    assert_eq!(before.open(&ROW, &anew).err(), Some(OpenError::Tampered));
}

#[test]
fn a_newer_master_key_seals_at_once_and_changes_no_name_or_signature() {
    let (former, vault) = vault();
    let (before, id) = (vault.seal(&ROW, &key('a')).unwrap(), vault.key_id(&key('a')));
    let signature = vault.sign("test", b"x");
    let newer = [MasterKey::generate().unwrap(), MasterKey::generate().unwrap()];

    newer.iter().for_each(|master| vault.renew(master));
    let sealed = vault.seal(&ROW, &key('a')).unwrap();

    assert!(vault.is_current(&ROW, &sealed) && !vault.is_current(&ROW, &before));
    assert!(vault.open(&ROW, &sealed).is_ok() && vault.open(&ROW, &before).is_ok());
    assert!(Vault::new(&newer[1]).open(&ROW, &sealed).is_ok(), "the newest one seals");
    assert_eq!(vault.key_id(&key('a')), id);
    assert_eq!(vault.recognises(&Vault::new(&former).check()), Recognised::Current);
    assert_eq!(vault.sign("test", b"x"), signature);
}

#[test]
fn a_signature_holds_for_its_purpose_and_bytes_alone() {
    let (_, ours) = vault();
    let (_, theirs) = vault();
    let signature = ours.sign("upload", b"path");

    assert!(ours.verify("upload", b"path", &signature));
    assert!(!ours.verify("uploa", b"dpath", &signature));
    assert!(!ours.verify("download", b"path", &signature));
    assert!(!ours.verify("upload", b"path2", &signature));
    assert!(!ours.verify("upload", b"path", &signature[..31]));
    assert!(!ours.verify("upload", b"path", &[]));
    assert!(!theirs.verify("upload", b"path", &signature));
}

#[test]
fn nothing_prints_a_key() {
    let (master, vault) = vault();
    let sealed = vault.seal(&ROW, &key('a')).unwrap();
    let failed = vault.open(&[8; 16], &sealed).unwrap_err();

    let printed = format!("{master:?} {vault:?} {sealed:?} {failed:?} {failed}");

    assert!(!printed.contains("AIza"));
    assert!(!printed.contains(&master.text()[6..14]));
    for piece in sealed.as_bytes().windows(4) {
        assert!(!printed.contains(&hex::encode(piece)));
        assert!(!printed.contains(&format!("{piece:?}")));
    }
}

proptest! {
    #[test]
    fn bytes_from_anywhere_never_open(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let (_, vault) = vault();
        let sealed = Sealed::from_bytes(bytes);
        prop_assert!(vault.open(&ROW, &sealed).is_err());
    }

    #[test]
    fn a_seal_opens_in_no_row_but_its_own(row: [u8; 16], other: [u8; 16]) {
        prop_assume!(row != other);
        let (_, vault) = vault();
        let sealed = vault.seal(&row, &key('a')).unwrap();
        prop_assert!(vault.open(&row, &sealed).is_ok());
        prop_assert!(vault.open(&other, &sealed).is_err());
    }

    #[test]
    fn a_changed_signature_is_refused(place in 0_usize..32, flip in 1_u8..) {
        let (_, vault) = vault();
        let mut signature = vault.sign("upload", b"path");
        signature[place] ^= flip;
        prop_assert!(!vault.verify("upload", b"path", &signature));
    }
}
