-- The last question of a principal about a tool: the next one is held against it.
ALTER TABLE approvals ADD COLUMN tool TEXT NOT NULL DEFAULT '';
UPDATE approvals SET tool = coalesce(json_extract(filing, '$.tool'), '');
CREATE INDEX approvals_last ON approvals (principal, tool, filed_at);

-- Where a message stands that can be changed once the question is decided, and when that was done.
ALTER TABLE approval_tellings ADD COLUMN place TEXT;
ALTER TABLE approval_tellings ADD COLUMN ended_at INTEGER;
CREATE INDEX approval_tellings_standing ON approval_tellings (next_at) WHERE place IS NOT NULL AND ended_at IS NULL;
