-- Connections of agents, the newest first, and how each has ended. Events of requests are in neither index.
CREATE INDEX event_log_connected ON event_log (at, subject COLLATE "C") WHERE stream = 'CONNECTIONS' AND type = 'connected';
CREATE INDEX event_log_disconnected ON event_log (subject) WHERE stream = 'CONNECTIONS' AND type = 'disconnected';
