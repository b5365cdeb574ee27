//! What errors come to: nothing false is answered, and what can pass does.

use super::*;

#[test]
fn a_full_disk_refuses_and_writing_goes_on_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(1);
    let opened = open::open(folder.path(), &vault).unwrap();
    // SQLite's own way of saying that no page can be added.
    let pages: i64 = opened.conn.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    opened.conn.execute_batch(&format!("PRAGMA max_page_count = {}", pages + 2)).unwrap();
    let (mut writer, queue) = bench(opened);

    let mut refused = 0;
    for n in 0..200 {
        match insert(&mut writer, n) {
            Err(StoreError::Full) => refused += 1,
            other => assert_eq!(other, Ok(Inserted::Stored)),
        }
    }
    assert!(refused > 100, "{refused}");
    assert!(!queue.failed());

    writer.connection().execute_batch("PRAGMA max_page_count = 100000").unwrap();
    assert_eq!(insert(&mut writer, 500), Ok(Inserted::Stored));
    let stored: i64 =
        writer.connection().query_row("SELECT count(*) FROM keys", [], |row| row.get(0)).unwrap();
    assert_eq!(stored, 200 - refused + 1);
}

#[test]
fn a_lock_held_by_another_program_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path(), &vault(1)).unwrap();
    let other = other_program(folder.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let refused = block_on(store.insert(contract_row(1), contract_stone(1)));
    other.execute_batch("COMMIT").unwrap();

    assert_eq!(refused, Err(StoreError::Unavailable));
    assert!(store.healthy());
    assert_eq!(block_on(store.insert(contract_row(1), contract_stone(1))), Ok(Inserted::Stored));
}

#[test]
fn damage_fails_the_store_for_good_and_answers_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open::open(folder.path(), &vault(1)).unwrap();
    let (mut writer, queue) = bench(opened);
    assert_eq!(insert(&mut writer, 1), Ok(Inserted::Stored));
    // What a broken disk looks like from above: a page that is no page.
    damage(&writer);

    let (jobs, answers): (Vec<_>, Vec<_>) = (2..5).map(job).unzip();
    writer.turn(jobs);

    for answer in answers {
        assert_eq!(block_on(awaited(answer)), Err(StoreError::Failed));
    }
    assert!(queue.failed());
    assert_eq!(insert(&mut writer, 9), Err(StoreError::Failed));
    assert_eq!(queue.push(job(9).0), Err(StoreError::Failed));
}

#[test]
fn a_writer_that_panics_leaves_a_store_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path(), &vault(1)).unwrap();

    let answer = store.write(false, |_| -> rusqlite::Result<()> { panic!("on purpose") });

    assert_eq!(block_on(answer), Err(StoreError::Failed));
    let soon = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while store.healthy() {
        assert!(std::time::Instant::now() < soon);
        std::thread::yield_now();
    }
    assert_eq!(block_on(store.lift([0; 16])), Err(StoreError::Failed));
}

/// A writer driven by hand, without its thread.
fn bench(opened: open::Opened) -> (Writer, Arc<Queue>) {
    let (queue, messages) = Queue::new();
    let queue = Arc::new(queue);
    (Writer::new(opened, messages, Arc::clone(&queue)), queue)
}

type Waiting = oneshot::Receiver<Result<Inserted, StoreError>>;

fn job(n: u16) -> (Box<dyn writer::Job>, Waiting) {
    let (reply, answer) = oneshot::channel();
    let work = move |conn: &Connection| write::insert(conn, &contract_row(n), &contract_stone(n));
    (Box::new(Write::new(false, work, reply)), answer)
}

fn insert(writer: &mut Writer, n: u16) -> Result<Inserted, StoreError> {
    let (job, answer) = job(n);
    writer.turn(vec![job]);
    block_on(awaited(answer))
}

fn damage(writer: &Writer) {
    let conn = writer.connection();
    conn.execute_batch(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_master SET rootpage = 9999 WHERE name = 'tombstones';
         PRAGMA writable_schema = RESET;",
    )
    .unwrap();
}

#[test]
fn use_is_read_though_nothing_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path(), &vault(1)).unwrap();
    block_on(store.insert(contract_row(1), contract_stone(1))).unwrap();
    let amount = crate::rows::UsageTotal { own_calls: 3, ..Default::default() };
    let used = Usage { key: contract_row(1).id, day: 5, model: "m".to_owned(), amount };
    block_on(store.add_usage(vec![used.clone()])).unwrap();
    let other = other_program(folder.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let unwritten = store.add_usage(vec![used.clone()]);

    assert_eq!(block_on(store.usage(1, UseOf::Each { most: 9 })), Ok(vec![used]));

    other.execute_batch("COMMIT").unwrap();
    block_on(unwritten).unwrap();
    block_on(store.close()).unwrap();
    assert_eq!(block_on(store.usage(1, UseOf::All)), Err(StoreError::Closed));
}
