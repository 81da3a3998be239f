//! What every store must do, whatever it is made of. A case gets a fresh store; `sqlite.rs` runs all of them against
//! SQLite, and another backend runs the same list.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bench;
mod factory;

mod access;
mod alarms;
mod archiving;
mod auditing;
mod devices;
mod facts;
mod grouping;
mod issuers;
mod issuing;
mod lineage;
mod numbering;
mod oauth;
mod policies;
mod pruning;
mod reading;
mod renewing;
mod revoking;
mod services;
mod sharding;
mod spoiled;
mod ticketing;
mod tokens;
mod webhooks;

/// Runs every case against the stores that `$make` makes. A case that is missing here is dead code, which is an error.
macro_rules! holds_for {
    ($make:path) => {
        crate::holds_for!(@cases $make;
            access {
                an_account_is_what_was_ordered_and_its_name_is_used_once,
                an_account_goes_to_and_fro_until_it_is_revoked,
                a_credential_is_what_was_ordered,
                a_credential_is_switched_off_and_on_until_it_is_revoked,
                name_scopes_and_network_change_by_themselves,
                a_rotation_shortens_the_old_one_and_happens_once,
                an_imported_key_is_known_once_and_all_that_are_known_are_named,
                an_owner_has_so_many_credentials_and_no_more,
                the_last_use_only_moves_on_and_is_no_entry,
                an_account_is_revoked_with_everything_it_has_and_no_other,
                a_device_is_revoked_with_its_own_credentials,
                accounts_and_credentials_are_listed_page_by_page,
                every_verb_of_access_appends_one_entry,
                a_spoiled_credential_is_corrupt,
            }
            alarms {
                an_entry_of_an_alarm_opens_one_and_further_ones_count,
                an_alarm_is_closed_once_and_the_next_entry_opens_another,
                flags_go_with_the_last_alarm_about_a_device,
                what_repeats_itself_is_counted_and_fills_no_log,
                closed_alarms_are_removed_after_their_time_and_open_ones_never,
            }
            archiving {
                segments_are_recorded_once_in_order_and_without_a_gap,
                only_what_stands_in_a_segment_is_removed_and_from_the_front,
                the_chain_goes_on_from_the_anchor,
                a_spoiled_segment_is_corrupt,
            }
            auditing {
                the_head_moves_with_what_is_durable_and_with_nothing_else,
                a_step_names_the_certificates_that_it_concerns,
                an_entry_is_there_exactly_when_its_change_is,
                rolled_back_requests_leave_no_gap_in_the_sequence,
                every_verb_appends_one_entry_and_the_chain_holds,
                entries_are_found_by_request_and_subject,
            }
            devices {
                approval_binds_the_token_to_the_key_that_was_approved,
                a_denied_token_is_dead_and_its_device_may_try_another,
                the_same_key_may_claim_again_and_another_may_not,
                a_token_without_approval_or_past_its_end_cannot_be_claimed,
                steps_are_possible_from_their_states_only,
                groups_and_profile_change_without_a_step_and_count_as_a_version,
                a_retired_device_loses_certificates_and_tokens_for_good,
                an_unknown_device_changes_nothing,
            }
            facts {
                a_principal_comes_with_the_newest_certificate_that_counts,
                fingerprints_come_in_pages_without_a_gap,
            }
            grouping {
                a_conflict_in_the_middle_of_a_group_spoils_no_neighbour,
                t04_a_hundred_racers_with_one_token_get_one_certificate,
                a_hundred_retries_with_one_key_get_the_same_certificate,
                a_closed_store_is_unavailable,
                what_was_queued_before_the_close_is_done,
            }
            issuers {
                the_first_issuer_is_active_and_the_same_again_is_no_change,
                exactly_one_issuer_is_active_and_nothing_leads_back_from_distrust,
                t37_what_a_distrusted_issuer_signed_is_not_committed,
            }
            issuing {
                a_token_is_redeemed_once_and_remembers_for_what,
                the_same_key_gets_the_same_bytes_again,
                another_key_gets_a_conflict_and_changes_nothing,
                tokens_that_cannot_be_redeemed_change_nothing,
                a_decision_on_an_old_version_is_refused_and_burns_no_token,
                a_new_principal_is_created_once,
                t11_a_key_of_another_principal_is_refused_and_burns_no_token,
                t12_a_serial_is_used_once,
                the_record_says_what_the_certificate_says,
            }
            lineage {
                t70_what_descends_from_a_compromise_is_dead_and_everything_else_lives,
                t70_a_compromised_key_is_never_certified_again,
                t70_a_reason_is_raised_once_and_keeps_the_earlier_date,
                t70_a_raised_reason_is_on_the_list_of_its_shard,
                t70_a_device_that_was_retired_is_compromised_later,
                what_lives_on_is_named_beyond_any_limit,
                a_key_is_revoked_with_its_sessions_and_a_compromised_one_with_its_family,
                a_session_ends_with_what_was_made_with_it,
            }
            numbering {
                t32_numbers_grow_and_never_fall_below_the_floor,
                t32_issuers_count_separately,
                t33_concurrent_numbers_are_all_different,
            }
            oauth {
                a_refresh_token_has_one_successor_however_many_ask,
                t40_a_second_use_that_is_no_retry_ends_the_family_once,
                a_late_second_use_ends_the_family,
                a_revoked_owner_takes_the_family_along_and_refreshes_no_more,
                a_conflict_leaves_the_old_token_as_it_was,
                a_family_is_ended_once_and_a_token_is_denied_once,
                what_ended_is_pruned_within_its_limit_and_nothing_else,
                a_key_keeps_its_first_day,
            }
            policies {
                one_policy_is_in_force_and_takes_the_place_of_the_one_that_was_meant,
                a_policy_that_is_in_force_already_is_no_change,
                old_texts_are_taken_away_and_their_rows_stay,
                the_inventory_comes_whole_in_stretches_with_the_newest_certificate,
            }
            pruning {
                only_what_ended_before_is_taken_away,
                a_step_takes_no_more_than_its_limit,
                a_stub_still_says_who_it_was,
            }
            reading {
                pages_of_tokens_have_no_gap_and_no_repetition,
                pages_of_devices_stay_right_while_devices_arrive,
                pages_of_the_audit_log_are_in_order,
                tokens_are_found_by_status_batch_and_device,
                devices_are_found_by_text_group_status_and_expiry,
                wildcards_in_a_search_are_ordinary_characters,
                an_empty_store_answers_with_nothing,
            }
            renewing {
                a_renewal_waits_until_it_is_used,
                a_renewal_is_replayed_for_the_same_key,
                live_devices_are_counted_by_the_bundle_that_they_named_last,
                first_use_supersedes_all_older_generations,
                a_recovery_is_taken_with_its_certificate_and_none_is_left_afterwards,
                first_use_is_noted_once,
                using_an_ended_certificate_changes_nothing,
                an_ended_parent_cannot_be_renewed,
                t16_an_alarm_flags_the_certificate_and_leaves_an_entry,
                a_certificate_after_all_others_expired_is_active_at_once,
            }
            revoking {
                a_device_is_revoked_with_everything_it_has_and_no_sibling,
                a_serial_is_revoked_alone,
                a_batch_is_revoked_with_its_devices_and_unused_tokens,
                a_batch_leaves_a_device_alone_that_never_used_its_token,
                a_dry_run_tells_the_truth_and_leaves_no_trace,
                revoking_twice_changes_nothing_the_second_time,
                unknown_targets_are_unknown,
                t13_nothing_is_issued_to_a_device_that_was_revoked_meanwhile,
                what_a_revocation_ended_stands_on_the_list_once,
                a_dry_run_puts_nothing_on_the_list,
                a_standing_is_what_became_of_the_certificate_of_that_issuer,
                every_revocation_changes_the_revision_before_it_is_answered,
            }
            services {
                a_service_is_registered_once_and_the_same_again_is_no_change,
                t11_only_a_live_certificate_of_an_active_service_registers_it,
                a_registration_is_as_good_as_its_principal,
                a_decision_on_an_old_registration_is_refused,
                nothing_belongs_to_two,
                a_spoiled_registration_is_corrupt,
            }
            sharding {
                lists_of_an_earlier_number_go_on_for_the_longest_life,
                a_revocation_goes_to_the_list_that_its_certificate_names,
                t31_an_unknown_revocation_goes_where_the_present_number_puts_it,
                a_spoiled_entry_is_corrupt_and_on_no_list,
            }
            spoiled {
                a_damaged_row_is_named_in_its_place_and_the_rest_is_listed,
                a_damaged_entry_is_named_in_a_page_of_the_log_and_stops_who_follows,
                a_damaged_token_keeps_nobody_from_revoking_its_device,
                a_spoiled_principal_is_corrupt,
                a_spoiled_certificate_is_corrupt,
                a_spoiled_token_is_corrupt,
                a_revoked_certificate_without_date_or_reason_is_corrupt,
                a_redeemed_token_without_its_certificate_is_corrupt,
                one_request_that_fails_takes_nobody_with_it,
                a_transaction_that_ends_early_is_nobodys_success,
            }
            ticketing {
                t42_a_ticket_is_used_by_one_of_many_and_before_its_end,
                t42_tickets_of_one_owner_are_few_and_end_with_it,
                tickets_are_removed_after_their_end_and_nothing_else_is,
            }
            tokens {
                tokens_register_their_devices,
                one_conflict_creates_no_token_at_all,
                an_enrolled_device_needs_replace,
                ended_devices_and_other_kinds_get_no_token,
                the_newest_order_describes_a_device_that_is_not_enrolled_yet,
                open_tokens_are_revoked_by_id_and_by_batch,
                t01_a_revoked_token_is_dead,
            }
            webhooks {
                an_endpoint_begins_behind_its_own_entry,
                there_are_no_more_endpoints_than_there_may_be,
                a_stretch_of_the_log_is_taken_once,
                the_oldest_of_each_endpoint_is_due_and_a_pause_holds_all_of_it,
                enabling_tries_at_once_and_a_disabled_endpoint_is_left_alone,
                what_is_given_up_waits_for_a_decision,
                an_endpoint_with_too_many_dead_letters_is_disabled_and_loses_none,
                gone_disables_and_keeps_what_waits,
                a_rotation_keeps_the_secret_before_unless_it_has_to_end,
                a_deleted_endpoint_takes_its_deliveries_along,
                devices_are_found_by_their_whole_hardware_serial_number,
                a_spoiled_endpoint_is_corrupt,
            }
        );
    };
    (@cases $make:path; $($module:ident { $($case:ident,)* })*) => {
        $(mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::$module::$case($make()).await;
            })*
        })*
    };
}
pub(crate) use holds_for;

mod sqlite;
mod sqlite_files;
