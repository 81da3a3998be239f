//! Which rules a question can concern at all, so that a decision looks at a few of a thousand.

use std::collections::HashMap;

use crate::matcher::{Known, Matcher, Scope, Word};

/// What a rule is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    ResourceId(Word),
    ResourceGroup(Word),
    ResourceAccount(Word),
    ResourceProfile(Word),
    PrincipalId(Word),
    PrincipalGroup(Word),
    PrincipalAccount(Word),
    PrincipalProfile(Word),
    Action(Word),
}

/// Each rule stands under one kind of key: the one that it shares with the fewest others.
#[derive(Debug, Default)]
pub(crate) struct Index {
    found: HashMap<Key, Vec<u32>>,
    /// Rules that ask for nothing that could be looked up.
    always: Vec<u32>,
}

impl Index {
    pub(crate) fn new(scopes: &[Scope]) -> Index {
        let ways: Vec<Vec<Vec<Key>>> = scopes.iter().map(ways).collect();
        let mut users: HashMap<Key, usize> = HashMap::new();
        for key in ways.iter().flatten().flatten() {
            *users.entry(*key).or_default() += 1;
        }
        let cost = |way: &Vec<Key>| way.iter().map(|key| users[key]).max().unwrap_or(0);
        let mut index = Index::default();
        for (number, ways) in (0..).zip(&ways) {
            match ways.iter().min_by_key(|way| cost(way)) {
                Some(way) => way.iter().for_each(|key| index.found.entry(*key).or_default().push(number)),
                None => index.always.push(number),
            }
        }
        index
    }

    /// Rules that may fit, some of them twice.
    pub(crate) fn candidates<'a>(
        &'a self,
        action: Option<Word>,
        principal: &'a Known,
        resource: &'a Known,
    ) -> impl Iterator<Item = u32> + 'a {
        let own = [
            resource.id.map(Key::ResourceId),
            resource.account.map(Key::ResourceAccount),
            resource.profile.map(Key::ResourceProfile),
            principal.id.map(Key::PrincipalId),
            principal.account.map(Key::PrincipalAccount),
            principal.profile.map(Key::PrincipalProfile),
            action.map(Key::Action),
        ];
        let groups = resource.groups.iter().map(|g| Key::ResourceGroup(*g));
        let groups = groups.chain(principal.groups.iter().map(|g| Key::PrincipalGroup(*g)));
        let keys = own.into_iter().flatten().chain(groups);
        let found = keys.filter_map(|key| self.found.get(&key)).flatten();
        self.always.iter().chain(found).copied()
    }
}

/// Each way is a list of keys of which a question that fits has at least one.
fn ways(scope: &Scope) -> Vec<Vec<Key>> {
    let mut ways = Vec::new();
    side(&scope.resource, &mut ways, [Key::ResourceId, Key::ResourceGroup, Key::ResourceAccount, Key::ResourceProfile]);
    let keys = [Key::PrincipalId, Key::PrincipalGroup, Key::PrincipalAccount, Key::PrincipalProfile];
    side(&scope.principal, &mut ways, keys);
    if !scope.actions.is_empty() {
        ways.push(scope.actions.iter().copied().map(Key::Action).collect());
    }
    ways
}

fn side(matcher: &Matcher, ways: &mut Vec<Vec<Key>>, [id, group, account, profile]: [fn(Word) -> Key; 4]) {
    let lists =
        [(&matcher.ids, id), (&matcher.groups_any, group), (&matcher.accounts, account), (&matcher.profiles, profile)];
    for (list, key) in lists.into_iter().filter(|(list, _)| !list.is_empty()) {
        ways.push(list.iter().copied().map(key).collect());
    }
    // Of groups that it needs all of, any one finds it.
    ways.extend(matcher.groups_all.iter().map(|word| vec![group(*word)]));
}
