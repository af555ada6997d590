-- Roles, schemas and extensions of Lumi: the same file for the local stack and for managed PostgreSQL.
--
--   psql -v ON_ERROR_STOP=1 -d lumi -f bootstrap.sql
--
-- Run it in Lumi's database as a role that may create roles and schemas; running it again changes nothing.
-- Passwords are set by whoever runs it (`alter role lumi_orders password …`), never here.

set client_min_messages = warning;

create schema if not exists extensions;
create extension if not exists citext schema extensions;
create extension if not exists pg_trgm schema extensions;
create extension if not exists btree_gin schema extensions;
create extension if not exists unaccent schema extensions;

do $$
declare
  context text;
  owner text;
  service text;
begin
  execute format('revoke all on database %I from public', current_database());
  revoke all on schema public from public;
  -- Nobody of ours has any business in the server's other databases. Where they are somebody else's, it is theirs to say.
  begin
    revoke all on database postgres, template1 from public;
  exception when insufficient_privilege or invalid_catalog_name then
    null;
  end;

  if not exists (select from pg_roles where rolname = 'lumi_auditor') then
    create role lumi_auditor login;
  end if;
  alter role lumi_auditor set default_transaction_read_only = on;
  execute format('grant connect on database %I to lumi_auditor', current_database());
  grant usage on schema extensions to lumi_auditor;

  foreach context in array array['identity', 'catalogue', 'orders', 'payments', 'marketing'] loop
    owner := format('lumi_%s_owner', context);
    service := format('lumi_%s', context);

    if not exists (select from pg_roles where rolname = owner) then
      execute format('create role %I nologin', owner);
    end if;
    if not exists (select from pg_roles where rolname = service) then
      execute format('create role %I login', service);
    end if;
    -- Whoever runs this must be able to act as the owner; a superuser can anyway.
    if not pg_has_role(current_user, owner, 'set') then
      execute format('grant %I to current_user', owner);
    end if;

    execute format('create schema if not exists %I authorization %I', context, owner);
    execute format('grant connect on database %I to %I', current_database(), service);
    execute format('grant usage on schema extensions to %I, %I', owner, service);
    execute format('grant usage on schema %I to %I, lumi_auditor', context, service);
    execute format('alter role %I set search_path = %I, extensions', service, context);

    -- Grants ride on what the owner will create, so that each migration may narrow its own (audit_logs) for good.
    execute format(
      'alter default privileges for role %I in schema %I grant select, insert, update, delete on tables to %I',
      owner, context, service);
    execute format(
      'alter default privileges for role %I in schema %I grant usage, select on sequences to %I',
      owner, context, service);
    execute format(
      'alter default privileges for role %I in schema %I grant select on tables to lumi_auditor', owner, context);
    execute format(
      'alter default privileges for role %I in schema %I grant select on sequences to lumi_auditor', owner, context);
    -- No function is anybody's to call unless its migration says so.
    execute format('alter default privileges for role %I revoke execute on functions from public', owner);
  end loop;
end
$$;
