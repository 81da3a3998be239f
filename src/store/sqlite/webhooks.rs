//! Webhooks in SQL: endpoints, the queue before each, and what was given up.

use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::json;
use signet_api::CredentialId;
use signet_api::admin::Page;
use signet_api::webhooks::{DeadAction, DeadQuery, WebhookEvent};
use signet_pki::{DeviceId, UnixTime};

use super::super::*;
use super::listing::{Of, list, page, rows};
use super::writer::{Verdict, WriteError, WriteTx};
use super::{ReadError, SqliteStore, decode};

impl WebhookStore for SqliteStore {
    fn create_webhook(&self, new: NewWebhook) -> Answer<'_, WebhookCreation> {
        self.writer.submit(move |tx| create(tx, &new))
    }

    fn change_webhook(&self, order: ChangeWebhook) -> Answer<'_, Option<WebhookRecord>> {
        self.writer.submit(move |tx| change(tx, &order))
    }

    fn webhooks(&self) -> Answer<'_, Listed<WebhookRecord>> {
        self.read_long(all)
    }

    fn feed_webhook(&self, feed: Feed) -> Answer<'_, Feeding> {
        self.writer.submit(move |tx| self::feed(tx, &feed))
    }

    fn due_deliveries(&self, now: UnixTime) -> Answer<'_, Vec<Delivery>> {
        self.read_long(move |c| due(c, now))
    }

    fn settle_delivery(&self, settled: Settled) -> Answer<'_, ()> {
        self.writer.submit(move |tx| settle(tx, &settled))
    }

    fn dead_deliveries(&self, query: DeadQuery) -> Answer<'_, Page<DeadDelivery>> {
        self.read_long(move |c| dead(c, &query))
    }

    fn change_dead(&self, order: ChangeDead) -> Answer<'_, u64> {
        self.writer.submit(move |tx| change_dead(tx, &order))
    }

    fn with_hardware_serial(&self, serial: &str) -> Answer<'_, Vec<DeviceId>> {
        self.read(|c| {
            let sql = "SELECT id FROM principal WHERE hardware_serial = ?1 ORDER BY rowid LIMIT 3";
            let mut statement = c.prepare_cached(sql)?;
            let rows = statement.query_map([serial], |row| decode::device_id(row, 0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn note_webhook(&self, draft: AuditDraft) -> Answer<'_, ()> {
        self.writer.submit(move |tx| tx.audit(&draft))
    }
}

impl Verdict for WebhookCreation {
    fn keeps_changes(&self) -> bool {
        *self == WebhookCreation::Created
    }
}

impl Verdict for Feeding {
    fn keeps_changes(&self) -> bool {
        *self == Feeding::Taken
    }
}

impl Verdict for Option<WebhookRecord> {
    fn keeps_changes(&self) -> bool {
        self.is_some()
    }
}

fn create(tx: &mut WriteTx<'_>, new: &NewWebhook) -> Result<WebhookCreation, WriteError> {
    let there: i64 = tx.connection.query_row("SELECT count(*) FROM webhook", [], |row| row.get(0))?;
    if there as u64 >= MAX_WEBHOOKS {
        return Ok(WebhookCreation::TooMany);
    }
    tx.audit(&new.draft)?;
    let events: Vec<&str> = new.events.iter().map(|event| event.as_str()).collect();
    // What happened before, its own entry included, is not its affair.
    tx.connection
        .prepare_cached(
            "INSERT INTO webhook (id, url, events, reach, status, created_by, created_at, secret, position)
             VALUES (?1, ?2, ?3, ?4, 'enabled', ?5, ?6, ?7, (SELECT max(sequence) FROM audit))",
        )?
        .execute((
            new.id.as_str(),
            &new.url,
            events.join(" "),
            reach_text(new.reach),
            new.draft.actor.name(),
            new.draft.at.0,
            &new.secret,
        ))?;
    Ok(WebhookCreation::Created)
}

fn change(tx: &mut WriteTx<'_>, order: &ChangeWebhook) -> Result<Option<WebhookRecord>, WriteError> {
    let id = order.id.as_str();
    let Some(found) = one(tx.connection, id)? else { return Ok(None) };
    tx.audit(&order.draft)?;
    let run = |sql: &str| tx.connection.prepare_cached(sql)?.execute([id]);
    match &order.step {
        WebhookStep::Enable => {
            run("UPDATE webhook SET status = 'enabled', failures = 0, paused_until = 0 WHERE id = ?1")?;
            run("UPDATE webhook_delivery SET next_at = 0, first_at = NULL WHERE webhook = ?1 AND died_at IS NULL")?;
        }
        WebhookStep::Disable => {
            run("UPDATE webhook SET status = 'disabled' WHERE id = ?1")?;
        }
        WebhookStep::Rotate { secret, previous_until } => {
            tx.connection
                .prepare_cached(
                    "UPDATE webhook SET previous = CASE WHEN ?3 IS NULL THEN NULL ELSE secret END, previous_until = ?3,
                         secret = ?2
                     WHERE id = ?1",
                )?
                .execute((id, secret, previous_until.map(|end| end.0)))?;
        }
        WebhookStep::Delete => {
            run("DELETE FROM webhook_delivery WHERE webhook = ?1")?;
            run("DELETE FROM webhook WHERE id = ?1")?;
            return Ok(Some(found));
        }
    }
    Ok(one(tx.connection, id)?)
}

fn feed(tx: &mut WriteTx<'_>, feed: &Feed) -> Result<Feeding, WriteError> {
    let moved = tx
        .connection
        .prepare_cached("UPDATE webhook SET position = ?3 WHERE id = ?1 AND position = ?2 AND status = 'enabled'")?
        .execute((feed.webhook.as_str(), feed.from as i64, feed.to as i64))?;
    if moved == 0 {
        return Ok(Feeding::Elsewhere);
    }
    let mut insert = tx.connection.prepare_cached(
        "INSERT INTO webhook_delivery (webhook, message, event, body, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for one in &feed.deliveries {
        insert.execute((feed.webhook.as_str(), &one.message, &one.event, &one.body, feed.now.0))?;
    }
    Ok(Feeding::Taken)
}

fn due(c: &Connection, now: UnixTime) -> Result<Vec<Delivery>, ReadError> {
    let sql = format!(
        "SELECT {DELIVERY} FROM webhook w JOIN webhook_delivery d ON d.id =
             (SELECT id FROM webhook_delivery
              WHERE webhook = w.id AND died_at IS NULL AND next_at <= ?1 ORDER BY id LIMIT 1)
         WHERE w.status = 'enabled' AND w.paused_until <= ?1 ORDER BY w.rowid"
    );
    // One that cannot be read keeps no other endpoint waiting.
    Ok(list(c, Of("delivery", 0), &sql, [now.0], delivery)?.items)
}

fn settle(tx: &mut WriteTx<'_>, settled: &Settled) -> Result<(), WriteError> {
    let (id, webhook, at) = (settled.delivery as i64, settled.webhook.as_str(), settled.draft.at.0);
    match &settled.fate {
        Fate::Delivered => {
            tx.connection.prepare_cached("DELETE FROM webhook_delivery WHERE id = ?1")?.execute([id])?;
            tx.connection
                .prepare_cached(
                    "UPDATE webhook SET failures = 0, paused_until = 0, last_error = NULL, last_success_at = ?2 WHERE id = ?1",
                )?
                .execute((webhook, at))?;
        }
        Fate::Later { next_at, error, pause } => {
            failed(tx, settled, error)?;
            tx.connection
                .prepare_cached("UPDATE webhook_delivery SET next_at = ?2 WHERE id = ?1")?
                .execute((id, next_at.0))?;
            if *pause == Pause::Endpoint {
                tx.connection
                    .prepare_cached("UPDATE webhook SET paused_until = ?2 WHERE id = ?1")?
                    .execute((webhook, next_at.0))?;
            }
        }
        Fate::Dead { error } => {
            failed(tx, settled, error)?;
            let died = tx
                .connection
                .prepare_cached("UPDATE webhook_delivery SET died_at = ?2 WHERE id = ?1 AND died_at IS NULL")?
                .execute((id, at))?;
            // Deleted with its endpoint meanwhile, perhaps.
            if died > 0 {
                end(tx, settled, "webhook.dead", error)?;
                full(tx, settled)?;
            }
        }
        Fate::Gone { error } => {
            failed(tx, settled, error)?;
            stop(tx, settled, WebhookStatus::Gone, "webhook.gone", error)?;
        }
    }
    Ok(())
}

/// Counts an attempt on both sides.
fn failed(tx: &WriteTx<'_>, settled: &Settled, error: &str) -> Result<(), WriteError> {
    tx.connection
        .prepare_cached(
            "UPDATE webhook_delivery SET attempts = attempts + 1, first_at = coalesce(first_at, ?2), error = ?3 WHERE id = ?1",
        )?
        .execute((settled.delivery as i64, settled.draft.at.0, error))?;
    tx.connection
        .prepare_cached("UPDATE webhook SET failures = failures + 1, last_error = ?2 WHERE id = ?1")?
        .execute((settled.webhook.as_str(), error))?;
    Ok(())
}

/// Nothing that was given up is thrown away: an endpoint with too much of it gets no more.
fn full(tx: &mut WriteTx<'_>, settled: &Settled) -> Result<(), WriteError> {
    let dead: i64 = tx
        .connection
        .prepare_cached("SELECT count(*) FROM webhook_delivery WHERE webhook = ?1 AND died_at IS NOT NULL")?
        .query_row([settled.webhook.as_str()], |row| row.get(0))?;
    if (dead as u64) < MAX_DEAD {
        return Ok(());
    }
    stop(tx, settled, WebhookStatus::Failing, "webhook.failing", "the dead-letter list is full")
}

fn stop(
    tx: &mut WriteTx<'_>,
    settled: &Settled,
    status: WebhookStatus,
    kind: &'static str,
    error: &str,
) -> Result<(), WriteError> {
    let stopped = tx
        .connection
        .prepare_cached("UPDATE webhook SET status = ?2 WHERE id = ?1 AND status = 'enabled'")?
        .execute((settled.webhook.as_str(), status.as_str()))?;
    if stopped > 0 { end(tx, settled, kind, error) } else { Ok(()) }
}

fn end(tx: &mut WriteTx<'_>, settled: &Settled, kind: &'static str, error: &str) -> Result<(), WriteError> {
    let detail = json!({ "delivery": settled.delivery, "error": error });
    tx.audit(&AuditDraft { kind, detail, ..settled.draft.clone() })
}

fn dead(c: &Connection, query: &DeadQuery) -> Result<Page<DeadDelivery>, ReadError> {
    let limit = query.limit.unwrap_or(100).clamp(1, 1000) as usize;
    let after: i64 = query.after.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0);
    let sql = format!(
        "SELECT {DELIVERY}, d.event, d.created_at, d.died_at, d.error FROM webhook_delivery d
         WHERE d.died_at IS NOT NULL AND d.id > ?1 AND (?2 IS NULL OR d.webhook = ?2) ORDER BY d.id LIMIT ?3"
    );
    let letter = |row: &Row<'_>| {
        Ok(DeadDelivery {
            delivery: delivery(row)?,
            event: row.get(6)?,
            created_at: UnixTime(row.get(7)?),
            died_at: UnixTime(row.get(8)?),
            error: row.get::<_, Option<String>>(9)?.unwrap_or_default(),
        })
    };
    let params = (after, query.webhook.as_ref().map(CredentialId::as_str), limit as i64 + 1);
    Ok(page(rows(c, Of("delivery", 0), &sql, params, letter)?, limit, |letter| letter.delivery.id.to_string()))
}

fn change_dead(tx: &mut WriteTx<'_>, order: &ChangeDead) -> Result<u64, WriteError> {
    let what = match order.action {
        DeadAction::Redeliver => {
            "UPDATE webhook_delivery SET died_at = NULL, attempts = 0, first_at = NULL, next_at = 0"
        }
        DeadAction::Drop => "DELETE FROM webhook_delivery",
    };
    let changed = match &order.which {
        DeadSelection::Delivery(id) => {
            let sql = format!("{what} WHERE died_at IS NOT NULL AND id = ?1");
            tx.connection.prepare_cached(&sql)?.execute([*id as i64])?
        }
        DeadSelection::Webhook(id) => {
            let sql = format!("{what} WHERE died_at IS NOT NULL AND webhook = ?1");
            tx.connection.prepare_cached(&sql)?.execute([id.as_str()])?
        }
    };
    if changed > 0 {
        let mut draft = order.draft.clone();
        draft.detail["deliveries"] = changed.into();
        tx.audit(&draft)?;
    }
    Ok(changed as u64)
}

fn all(c: &Connection) -> Result<Listed<WebhookRecord>, ReadError> {
    list(c, Of("webhook", 0), &format!("SELECT {WEBHOOK} FROM webhook w ORDER BY w.rowid"), [], webhook)
}

fn one(c: &Connection, id: &str) -> Result<Option<WebhookRecord>, ReadError> {
    let mut statement = c.prepare_cached(&format!("SELECT {WEBHOOK} FROM webhook w WHERE w.id = ?1"))?;
    Ok(statement.query_row([id], webhook).optional()?)
}

fn reach_text(reach: Reach) -> &'static str {
    match reach {
        Reach::Public => "public",
        Reach::Listed => "listed",
    }
}

fn parse_reach(text: &str) -> Option<Reach> {
    [Reach::Public, Reach::Listed].into_iter().find(|reach| reach_text(*reach) == text)
}

fn parse_events(text: &str) -> Option<Vec<WebhookEvent>> {
    text.split_whitespace().map(WebhookEvent::parse).collect()
}

fn webhook(row: &Row<'_>) -> rusqlite::Result<WebhookRecord> {
    let previous: Option<Vec<u8>> = row.get(8)?;
    let until: Option<i64> = row.get(9)?;
    Ok(WebhookRecord {
        id: decode::text(row, 0, |text| CredentialId::parse(text).ok())?,
        url: row.get(1)?,
        events: decode::text(row, 2, parse_events)?,
        reach: decode::text(row, 3, parse_reach)?,
        status: decode::text(row, 4, WebhookStatus::parse)?,
        created_by: row.get(5)?,
        created_at: UnixTime(row.get(6)?),
        secret: row.get(7)?,
        previous: previous.zip(until.map(UnixTime)),
        position: decode::count(row, 10)?,
        failures: decode::count(row, 11)?,
        paused_until: UnixTime(row.get(12)?),
        last_error: row.get(13)?,
        last_success_at: row.get::<_, Option<i64>>(14)?.map(UnixTime),
        waiting: decode::count(row, 15)?,
        dead: decode::count(row, 16)?,
    })
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        id: decode::count(row, 0)?,
        webhook: decode::text(row, 1, |text| CredentialId::parse(text).ok())?,
        message: row.get(2)?,
        body: row.get(3)?,
        attempts: decode::count(row, 4)?,
        first_at: row.get::<_, Option<i64>>(5)?.map(UnixTime),
    })
}

/// Columns of an endpoint, aliased `w`.
const WEBHOOK: &str = "w.id, w.url, w.events, w.reach, w.status, w.created_by, w.created_at, w.secret, w.previous, \
     w.previous_until, w.position, w.failures, w.paused_until, w.last_error, w.last_success_at, \
     (SELECT count(*) FROM webhook_delivery d WHERE d.webhook = w.id AND d.died_at IS NULL), \
     (SELECT count(*) FROM webhook_delivery d WHERE d.webhook = w.id AND d.died_at IS NOT NULL)";
/// Columns of a delivery, aliased `d`.
const DELIVERY: &str = "d.id, d.webhook, d.message, d.body, d.attempts, d.first_at";
