-- The database of a BirdNET-Pi station, as BirdNET-Pi makes it. No primary key: File_Name identifies a detection.
CREATE TABLE IF NOT EXISTS detections (
  Date DATE,
  Time TIME,
  Sci_Name VARCHAR(100) NOT NULL,
  Com_Name VARCHAR(100) NOT NULL,
  Confidence FLOAT,
  Lat FLOAT,
  Lon FLOAT,
  Cutoff FLOAT,
  Week INT,
  Sens FLOAT,
  Overlap FLOAT,
  File_Name VARCHAR(100) NOT NULL
);
CREATE INDEX IF NOT EXISTS detections_Com_Name ON detections (Com_Name);
CREATE INDEX IF NOT EXISTS detections_Sci_Name ON detections (Sci_Name);
CREATE INDEX IF NOT EXISTS detections_Date_Time ON detections (Date DESC, Time DESC);
