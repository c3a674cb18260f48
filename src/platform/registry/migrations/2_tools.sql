-- Tools that an approval lets an agent call: `SERVER/TOOL`, one on each line.

ALTER TABLE approvals ADD COLUMN tools TEXT NOT NULL DEFAULT '';
